# SPDX-License-Identifier: Apache-2.0
"""What stands in a rule's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.repo import tree
from tests.rules import triggers

LEAST = 22  # fewer would not tell of most of what people ask such a sensor for
PLACE = re.compile(r"^rules/(?P<tactic>[a-z]+(-[a-z]+)*)/(?P<id>SC-\d{4})$")


def rule_folders():
    """Return the folders below a tactic's folder."""
    return sorted({path.parents[len(path.parts) - 4] for path in tree.files() if path.parts[0] == "rules" and len(path.parts) > 3} - {None})


def test_there_are_rules():
    """The managed rules are part of the repository, and they are more than a few."""
    assert len(rule_folders()) >= LEAST


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


def test_the_readme_counts_them():
    """README says how many there are."""
    assert f"[{len(rule_folders())} rules](docs/rules.md)" in tree.text(Path("README.md"))


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_a_rule_says_what_it_is(folder):
    """A rule has its folder's id, a technique of its folder's tactic among its ATT&CK ids, tags for all of them, and says what it mistakes and misses."""
    (rule,) = (entry for entry in yaml.safe_load(tree.text(folder / "rule.yaml")) if "rule" in entry)
    techniques = json.loads(tree.text(folder.parents[1] / "attack.json"))["techniques"]
    tactic = PLACE.match(folder.as_posix())["tactic"]
    assert rule["id"] == folder.name
    assert rule["maturity"] in {"sandbox", "incubating", "stable"}
    assert tactic in {one for technique in rule["attack"] for one in techniques[technique]["tactics"]}
    assert {f"mitre_{tactic.replace('-', '_')}", *rule["attack"]} <= set(rule["tags"])
    assert rule["desc"]
    assert rule["false_positives"]
    assert rule["blind_to"]


@pytest.mark.parametrize("folder", rule_folders(), ids=lambda folder: folder.name)
def test_a_trigger_says_how_it_runs(folder):
    """Its opening comment names the act and who does it, so that the live test runs it and knows what must be told."""
    trigger = triggers.read(tree.ROOT / folder)
    assert trigger.rule == folder.name
    assert trigger.kind in {"exec", "open", "connect"}
