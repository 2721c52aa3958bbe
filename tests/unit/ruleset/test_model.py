# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.ruleset.model import HIGH, PRIORITIES
from tests.unit.events_factory import make_event
from tests.unit.ruleset.documents import loaded, rule


def test_rules_are_found_by_id_and_name():
    """And not otherwise."""
    ruleset = loaded(rule("proc.name = a", name="A rule", more="  id: SC-1\n"))
    assert ruleset.find("SC-1") is ruleset.find("A rule") is ruleset.rules[0]
    assert ruleset.find("x") is None


def test_a_blind_rule_matches_nothing():
    """It has no functions."""
    (found,) = loaded(rule("evt.type = unshare")).rules
    assert not found.match(make_event("open"))


def test_high_priorities():
    """From WARNING up."""
    assert set(PRIORITIES) - HIGH == {"NOTICE", "INFORMATIONAL", "DEBUG"}
