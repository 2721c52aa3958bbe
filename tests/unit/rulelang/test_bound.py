# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.interpret import holds
from sensor.rulelang.values import FieldType
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import tree


def field(condition: str):
    """What the condition's only test asks."""
    return tree(condition).field


def test_labels_are_as_written():
    """People see their own words in messages and in what `rules explain` shows."""
    assert field('concat(proc.name, "a\\"b", proc.pid) = x').label == 'concat(proc.name, "a\\"b", proc.pid)'
    assert field('join("\\\\", (proc.name, fd.name)) = x').label == 'join("\\\\", (proc.name, fd.name))'
    assert field("proc.name startswith val(proc.pname)").label == "proc.name startswith val(proc.pname)"


def test_a_made_field_belongs_to_the_events_that_have_every_part():
    """Of the others nothing can be put together, so their events need no look."""
    assert field("concat(fd.name, proc.name) = x").spec.kinds == field("fd.name = x").spec.kinds
    assert field("concat(fd.name, fd.sport) = x").spec.kinds == field("fd.sport = 1").spec.kinds
    assert field("proc.name = val(fd.name)").type is FieldType.TRUTH


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("fd.sip = val(fd.rip)", True),
        ("fd.net = val(fd.sip)", True),
        ("fd.sip != val(fd.rip)", False),
        ("fd.sip = val(fd.lip)", False),
        ("fd.sip in (127.0.0.1) and fd.sport = val(fd.rport)", True),
    ],
)
def test_addresses_are_compared_with_addresses(condition, verdict):
    """Of either family, written either way."""
    event = make_event("connect", family=2, daddr="127.0.0.1", dport=80, saddr="127.0.0.2", sport=5)
    assert holds(tree(condition), event) == verdict
