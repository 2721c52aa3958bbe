# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.unit.ruleset.documents import loaded, problems, rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\n", "a rule file is a list"),
        ("- a\n", "expected an entry"),
        ("- {rul: a}\n", "found rul"),
        ("- {rule: a, macro: b}\n", "expected one of the keys"),
        ("- {rule: [a]}\n", "rule is a text"),
        ("- {rule: ''}\n", "has no name"),
        (rule("proc.name = a", more="  enabled: maybe\n"), "enabled is true or false"),
        (rule("proc.name = a", more="  tags: x\n"), "tags is a list"),
    ],
)
def test_entries_that_are_none(text, words):
    """Each is told with what was expected."""
    assert any(words in problem.message for problem in problems(text))


def test_unknown_keys_are_warned_about():
    """Files are shared between versions; a misspelt key gets a hint."""
    (warning,) = loaded(rule("evt.type = openat and proc.name = a", more="  prioritty: x\n")).warnings
    assert (warning.line, warning.hint) == (7, "perhaps priority")


def test_what_a_file_needs_of_falco_is_tolerated():
    """Versions of engine and plugins say nothing here."""
    assert loaded("- required_engine_version: 17\n- required_plugin_versions: [{name: a, version: b}]\n").rules == ()


def test_truth_values_as_yaml_has_them():
    """Yes and on are true."""
    assert len(loaded(rule("proc.name = a", more="  enabled: yes\n")).rules) == 1
    assert len(loaded(rule("proc.name = a", more="  enabled: 'off'\n")).rules) == 0
