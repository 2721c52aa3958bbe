# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang.transform import apply
from sensor.rulelang.values import UNKNOWN, FieldType, Unknown


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [("tolower", b"AbC", b"abc"), ("toupper", b"ab", b"AB"), ("basename", b"/a/b", b"b"), ("len", b"abc", 3), ("b64", b"YWI=", b"ab"), ("b64", b"?", None)],
)
def test_transformers(name, value, result):
    """Each does what its name says; text that is no base64 is missing."""
    get, kind = apply(name, lambda _event: value)
    assert get(None) == result
    assert kind is (FieldType.NUMBER if name == "len" else FieldType.TEXT)


def test_missing_stays_missing_and_unknown_unknown():
    """A transformer makes no value out of none."""
    assert apply("len", lambda _event: None)[0](None) is None
    assert apply("len", lambda _event: Unknown(b"x"))[0](None) is UNKNOWN
    assert apply("len", None)[0] is None
