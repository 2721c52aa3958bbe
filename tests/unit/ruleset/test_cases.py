# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sensor.core.errors import DocumentError
from sensor.rulelang.links import no_closures
from sensor.ruleset.cases import failing, read_cases, unproven
from sensor.ruleset.load import load
from tests.unit.ruleset.documents import loaded, rule

RULES = Path(__file__).parents[3] / "rules"


@pytest.fixture
def cases(tmp_path):
    """Return a reader of cases from text."""

    def read(text):
        path = tmp_path / "cases.yaml"
        path.write_text(text)
        return read_cases(path)

    return read


MATCH = "- {case: one, expect: match, event: {evt.type: openat, proc.name: a, proc.tty: 0}}\n"
SILENT = "- {case: two, expect: silent, event: {evt.type: openat, proc.name: b, proc.tty: 0}}\n"
OTHER = "- {case: three, expect: silent, event: {evt.type: openat, proc.name: a, proc.tty: 1}}\n"


def test_cases_that_hold(cases):
    """No problem when every case is judged as it says."""
    (found,) = loaded(rule("evt.type = openat and proc.name = a and proc.tty = 0")).rules
    assert failing(found, cases(MATCH + SILENT)) == []


def test_cases_that_fail(cases):
    """Each is told at its place with both verdicts."""
    (found,) = loaded(rule("evt.type = openat and proc.name = b")).rules
    assert [(one.line, one.message.split(": ")[-1]) for one in failing(found, cases(MATCH + SILENT))] == [
        (1, "expected a match, the rule is silent"),
        (2, "expected silence, the rule matches"),
    ]


def test_both_kinds_of_cases_are_asked_for(cases):
    """A rule that only matches is not tested."""
    (found,) = loaded(rule("evt.type = openat and proc.name = a")).rules
    assert "one that is silent" in failing(found, cases(MATCH))[0].message


def test_parts_that_no_case_needs_are_found(cases):
    """By leaving them out."""
    (found,) = loaded(rule("evt.type = openat and proc.name = a and proc.tty = 0")).rules
    assert unproven(found, cases(MATCH + SILENT), no_closures) == ["proc.tty = 0"]
    assert unproven(found, cases(MATCH + SILENT + OTHER), no_closures) == []


@pytest.mark.parametrize(
    "text",
    ["a: 1\n", "- {case: x}\n", "- {case: x, expect: maybe, event: {}}\n", "- {case: x, expect: match, event: {evt.type: nothing}}\n",
     "- {case: x, expect: match, event: {evt.type: [a]}}\n", "- {case: x, expect: match, flags: [NOTHING], event: {evt.type: openat}}\n"],
)  # fmt: skip
def test_broken_cases_are_refused(cases, text):
    """With a place."""
    with pytest.raises(DocumentError) as caught:
        cases(text)
    assert caught.value.problems[0].line == 1


def test_the_managed_rules_hold_their_cases_and_every_part_is_proven():
    """For every part of every condition a silent case flips when the part is left out."""
    for found in load([RULES]).rules:
        held = read_cases(Path(found.path).with_name("cases.yaml"))
        assert failing(found, held) == []
        assert unproven(found, held, no_closures) == [], found.id
