# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.rulelang import unfilled
from sensor.rulelang.fields import FIELDS


def test_no_name_is_in_two_groups():
    """A field has one type."""
    groups = [unfilled.TEXT, unfilled.NUMBER, unfilled.TRUTH, unfilled.BUFFER]
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names))


def test_filled_fields_are_not_listed():
    """What is filled is not a limitation."""
    assert not [name for name in [*unfilled.TEXT, *unfilled.NUMBER, *unfilled.TRUTH] if FIELDS[name].filled]
