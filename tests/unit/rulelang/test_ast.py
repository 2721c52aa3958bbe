# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.ast import And, Value
from tests.unit.rulelang.conditions import source


def test_nodes_are_values():
    """Two nodes of the same parts are equal, and none can be changed."""
    assert And((Value("a", 0),)) == And((Value("a", 0),))
    with pytest.raises(AttributeError):
        And(()).parts = (1,)


def test_a_source_tells_places():
    """A problem at an offset is told in terms of the file."""
    assert source("abc").problem(2, "wrong").column == 3
