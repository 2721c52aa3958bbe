# SPDX-License-Identifier: Apache-2.0
"""
msgpack, the form of what Scout writes for machines: recordings, console batches.

Only the plain types go through: None, bool, int of 64 bits, float, str, bytes,
list, dict with str or bytes keys. Extension types are refused (a timestamp
comes out as a float), strings must be UTF-8, and every failure of the library
is a `WireError`: bytes from outside never raise anything else here. What the
values should be is checked by who asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

import msgpack  # type: ignore[import-untyped]  # it ships no types; the two calls below are typed here

from sensor.core.errors import FrameError

if TYPE_CHECKING:
    Wire = None | bool | int | float | str | bytes | list["Wire"] | dict[str | bytes, "Wire"]

MAX_ITEMS = 65_536
"""Members of one array or map; more is an attempt to use up memory. Everything of ours is far below."""


class WireError(FrameError):
    """The bytes are not msgpack, or hold what Scout never writes; or a value cannot be written."""


def pack(value: object) -> bytes:
    """
    Return *value* as msgpack. Tuples become arrays.

    Raises:
        WireError: a type, an int beyond 64 bits or a str with surrogates, which msgpack has no form for.
    """
    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"cannot be written as msgpack: {error}") from error
    return packed


def unpack(data: bytes) -> Wire:
    """
    Read exactly one value.

    Args:
        data: at most as long as the caller can afford: the value takes up to a hundred times as much.

    Raises:
        WireError: *data* is not one msgpack value of the plain types.
    """
    try:
        value: Wire = msgpack.unpackb(
            data, raw=False, use_list=True, strict_map_key=True, ext_hook=_refuse, max_array_len=MAX_ITEMS, max_map_len=MAX_ITEMS, timestamp=1
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:  # FormatError, StackError, ExtraData and UnicodeDecodeError are ValueErrors
        raise WireError(f"not msgpack as Scout writes it: {str(error) or type(error).__name__}") from error
    return value


def _refuse(code: int, _data: bytes) -> Never:
    raise ValueError(f"extension type {code}")
