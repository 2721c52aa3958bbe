# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from contract.finding import SEVERITIES
from sensor.engine.flood import FLOOD_RULE
from sensor.events.registry import KINDS
from tests.unit.contract.schema_check import check
from tests.unit.events_factory import make_event
from tests.unit.finding_factory import make_finding


@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)
def test_the_message_names_the_kind_that_flooded(spec):
    """Whatever kind ran into its bucket is named, with how much was dropped."""
    text = FLOOD_RULE.render(make_event("flood", flooded_kind=spec.number, dropped=1234))
    assert text.startswith(f"more {spec.name} events ")
    assert "dropped so far=1234" in text


@pytest.mark.parametrize(("lane", "said"), [(0, "lane=common"), (1, "lane=reserved")])
def test_the_message_names_the_lane(lane, said):
    """Which of the workload's two buckets was empty."""
    assert said in FLOOD_RULE.render(make_event("flood", flooded_lane=lane))


def test_a_kind_of_another_build_does_not_raise():
    """A flood is told even when its kind has no name here."""
    assert FLOOD_RULE.render(make_event("flood", flooded_kind=200)).startswith("more ? events ")


def test_a_hostile_name_is_kept_without_loss():
    """The process's name may be any bytes; findings carry them in the lossless form."""
    assert "process=a\\xffb " in FLOOD_RULE.render(make_event("flood", comm=b"a\xffb"))


def test_it_is_a_rule_like_others():
    """Its finding is the documented schema, with an id that policies can choose and a technique."""
    finding = make_finding("flood", rule=FLOOD_RULE, flooded_kind=3, dropped=1)
    check(finding)
    assert (finding["rule"]["id"], finding["attack"]) == ("SC-0000", ["T1562.001"])
    assert FLOOD_RULE.priority.lower() in SEVERITIES
