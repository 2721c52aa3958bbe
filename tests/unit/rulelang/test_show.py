# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.show import condition_text
from tests.unit.rulelang.conditions import names, tree


@pytest.mark.parametrize(
    "text",
    [
        "proc.name = a",
        "not proc.name in (a, b)", "(proc.name = a or proc.pname = b) and fd.num >= 0", 'proc.cmdline contains "a b"', "fd.sip in (10.0.0.0/8)",
        "fd.name exists", "evt.failed = true", 'proc.name = ""', 'proc.cmdline contains "a\\\\\\"b"',
    ],
)  # fmt: skip
def test_a_condition_is_read_back_as_itself(text):
    """The text of a tree is a condition with the same text."""
    shown = condition_text(tree(text))
    assert shown == text
    assert condition_text(tree(shown)) == shown


def test_macros_and_lists_are_expanded():
    """Names are gone."""
    known = names({"m": "proc.name in (l)"}, {"l": ("a", "b")})
    assert condition_text(tree("m and not m", known)) == "proc.name in (a, b) and not proc.name in (a, b)"
