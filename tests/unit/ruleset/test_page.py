# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.ruleset.page import PAGE_PATH, main, page
from tests.unit.ruleset.documents import loaded, rule


def test_a_rule_is_a_row_of_its_tactic():
    """Its folder's name is the tactic; a bar in a text does not end a cell."""
    ruleset = loaded(rule("evt.type = execve", name="A | B", more="  id: SC-1\n  attack: [T1611]\n  maturity: sandbox\n"))
    ruleset.rules[0].path = "rules/privilege-escalation/SC-1/rule.yaml"
    text = page(ruleset)
    assert "## Privilege escalation" in text
    assert "| [SC-1](../rules/privilege-escalation/SC-1/rule.yaml) | A \\| B | WARNING | sandbox | T1611 | d |" in text


def test_the_page_is_current():
    """docs/rules.md says what the rules say."""
    assert main(["--check"]) == 0, PAGE_PATH
