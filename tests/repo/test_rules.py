# SPDX-License-Identifier: Apache-2.0
"""What stands in a rule's folder."""

from __future__ import annotations

import re

from tests.repo import tree

PLACE = re.compile(r"^rules/(?P<tactic>[a-z]+(-[a-z]+)*)/(?P<id>SC-\d{4})$")


def rule_folders():
    """Return the folders below a tactic's folder."""
    return sorted({path.parents[len(path.parts) - 4] for path in tree.files() if path.parts[0] == "rules" and len(path.parts) > 3} - {None})


def test_there_are_rules():
    """The managed rules are part of the repository."""
    assert rule_folders()


def test_a_rule_has_its_place():
    """A rule stands in rules/<tactic>/<id>."""
    assert [str(folder) for folder in rule_folders() if not PLACE.match(folder.as_posix())] == []


def test_a_rule_has_cases_and_a_trigger():
    """Every rule's folder has rule.yaml, cases.yaml and one trigger that performs the act."""
    problems = []
    for folder in rule_folders():
        names = {path.name for path in tree.files() if path.parent == folder}
        problems += [f"{folder}: no {name}" for name in ("rule.yaml", "cases.yaml") if name not in names]
        if sum(name.startswith("trigger.") for name in names) != 1:
            problems.append(f"{folder}: wants one trigger.*")
    assert problems == []


def test_an_id_is_used_once():
    """No two folders have the same rule id."""
    ids = [folder.name for folder in rule_folders()]
    assert sorted(ids) == sorted(set(ids))
