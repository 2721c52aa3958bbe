# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.adapters.wire import WireError, pack, unpack


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 2**64 - 1, -(2**63), 1.5, "", "é\n", b"", b"\xff", [], [1, [2]], {}, {"a": {"b": [b"c"]}}],
)
def test_plain_values_come_back(value):
    """What is written is read, type and all."""
    again = unpack(pack(value))
    assert again == value
    assert type(again) is type(value)


def test_tuples_become_arrays():
    """A tuple has no form of its own."""
    assert unpack(pack((1, (2,)))) == [1, [2]]


@pytest.mark.parametrize("value", [object(), {1, 2}, 2**64, -(2**63) - 1, "\udcff"])
def test_what_has_no_form_is_refused(value):
    """A value msgpack cannot hold is our error, not the library's."""
    with pytest.raises(WireError, match="cannot be written"):
        pack(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x01\x01",
        b"\x91" * 5_000 + b"\x90",
        b"\x81\x90\x90",
        b"\x81\x01\x02",
        b"\xd6\x05\x00\x00\x00\x01",
        b"\xc7\x0c\xff" + b"\xff" * 12,
        b"\xc7\x03\xff\x00\x00\x00",
        b"\xa1\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x92\x01",
    ],
)
def test_hostile_bytes_are_one_kind_of_error(data):
    """Cut, nested, oversized, with extensions or bad UTF-8: always a WireError, never the library's own."""
    with pytest.raises(WireError):
        unpack(data)
