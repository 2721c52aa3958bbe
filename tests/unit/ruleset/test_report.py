# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path

from sensor.ruleset import report
from sensor.ruleset.load import load
from tests.unit.ruleset.documents import loaded, rule

RULES = Path(__file__).parents[3] / "rules"


def test_the_managed_rules_are_good():
    """They load without a warning, all active, and their cases hold."""
    text, code = report.check_text([RULES])
    assert code == 0
    assert "warning" not in text
    assert re.search(r"^(\d+) rules \(\1 active\);", text), text
    assert report.run_cases([RULES])[1] == 0


def test_every_clause_of_the_managed_rules_is_narrowed_early():
    """No managed rule makes the kernel walk the path of every open."""
    ruleset = load([RULES])
    assert all("walks" not in report.explain_text(ruleset, rule.id) for rule in ruleset.rules)


def test_mistakes_are_printed_with_their_code(tmp_path):
    """Exit code 3, as for every document."""
    (tmp_path / "x.yaml").write_text(rule("proc.nmae = a"))
    text, code = report.check_text([tmp_path])
    assert code == 3
    assert "perhaps proc.name" in text
    assert report.run_cases([tmp_path])[1] == 3


def test_rows_have_what_people_look_for():
    """Id, priority, techniques, status."""
    (row,) = report.list_rows(loaded(rule("evt.type = unshare", more="  id: SC-1\n  attack: [T1611]\n")))
    assert (row["id"], row["priority"], row["attack"], row["status"], row["reason"]) == ("SC-1", "WARNING", ["T1611"], "blind", "no probe for unshare")
    assert json.dumps(row)


def test_a_layer_for_the_navigator():
    """Techniques of rules that can fire, with the rules' ids."""
    layer = json.loads(report.navigator_layer(load([RULES])))
    assert {"techniqueID": "T1552.005", "score": 1, "comment": "SC-0003"} in layer["techniques"]


def test_explaining_a_rule():
    """Meaning, clauses and functions, safe to print; an unknown rule is none."""
    text = report.explain_text(loaded(rule('evt.type = openat and proc.name = "a\\tb"')), "r")
    assert "condition, macros and lists expanded" in text
    assert "comm in {" in text
    assert "def match(event):" in text
    assert "\t" not in text
    assert report.explain_text(loaded(), "x") is None


def test_failing_cases_have_code_one(tmp_path):
    """And are counted."""
    (tmp_path / "rule.yaml").write_text(rule("evt.type = openat and proc.name = a"))
    (tmp_path / "cases.yaml").write_text("- {case: one, expect: match, event: {evt.type: openat, proc.name: b}}\n")
    text, code = report.run_cases([tmp_path])
    assert code == 1
    assert "expected a match" in text
