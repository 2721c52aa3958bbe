# SPDX-License-Identifier: Apache-2.0
"""
The objects of a Kubernetes list, one after the other, while the list still arrives.

Read whole, the list of a node with 250 pods takes some 30 MiB for a moment,
which the allocator then keeps. `ListReader` cuts the bytes at the objects'
braces and knows no more of JSON than strings and brackets; whether an object is
JSON is for whoever decodes it.

Source:
    Kubernetes API conventions, "Lists": ``{"kind": …, "metadata": {"resourceVersion": …}, "items": [{…}, …]}``.
"""

from __future__ import annotations

import re

MAX_OBJECT_BYTES = 8 << 20
"""Largest object; etcd refuses requests above 1.5 MiB."""

MAX_REST_BYTES = 64 << 10
"""Most bytes outside the items: kind, version, a token to continue."""

_TOKEN = re.compile(rb'["{}\[\]]')
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)  # possessive: linear whatever the bytes
_QUOTE, _OPENING, _LIST_OPENS = ord('"'), b"{[", ord("[")
_ITEMS = b'"items"'


class ListReader:
    """
    Takes a list's bytes in any pieces, gives its items.

    Raises (all methods):
        ValueError: it is no list, or an object is larger than any can be.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._rest = bytearray()
        self._at = 0  # up to here it was looked at
        self._depth = 0
        self._key = b""  # the last string one level deep
        self._in_items = False
        self._item = -1  # where the item begins that is being read
        self._outside = 0  # what begins here belongs to the rest
        self._ended = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the items that end in *piece*."""
        self._buffer += piece
        found: list[bytes] = []
        while token := _TOKEN.search(self._buffer, self._at):
            at = token.start()
            byte = self._buffer[at]
            if byte == _QUOTE:
                string = _STRING.match(self._buffer, at)
                if string is None:  # its end is not there yet
                    self._at = at
                    break
                if self._depth == 1:
                    self._key = bytes(string[0][: len(_ITEMS) + 1])
                self._at = string.end()
                continue
            self._at = at + 1
            if byte in _OPENING:
                self._open(at, byte)
            else:
                self._close(at, found)
        else:
            self._at = len(self._buffer)
        self._forget()
        return found

    def end(self) -> bytes:
        """Return what is not in the items, with an empty list in their place. The list must have come to its end."""
        if not self._ended:
            raise ValueError("the list has no end")
        return bytes(self._rest)

    def _open(self, at: int, byte: int) -> None:
        if self._ended:
            raise ValueError("something follows the list")
        self._depth += 1
        if self._depth == 2 and byte == _LIST_OPENS and self._key == _ITEMS:  # noqa: PLR2004  # right below the list itself
            self._in_items = True
            self._keep_rest(at + 1)
        elif self._in_items and self._depth == 3:  # noqa: PLR2004  # list, items, item
            self._item = at

    def _close(self, at: int, found: list[bytes]) -> None:
        self._depth -= 1
        if self._depth < 0:
            raise ValueError("a bracket closes what none has opened")
        if self._in_items and self._depth == 2:  # noqa: PLR2004  # an item ends
            found.append(bytes(self._buffer[self._item : at + 1]))
            self._item = -1
        elif self._in_items and self._depth == 1:
            self._in_items = False
            self._outside = at
        if not self._depth:
            self._keep_rest(at + 1)
            self._ended = True

    def _keep_rest(self, end: int) -> None:
        self._rest += self._buffer[self._outside : end]
        self._outside = end
        if len(self._rest) > MAX_REST_BYTES:
            raise ValueError("more stands around the list's items than belongs there")

    def _forget(self) -> None:
        """Let go of what was looked at."""
        if not self._in_items and not self._ended:
            self._keep_rest(self._at)
        keep = self._item if self._item >= 0 else self._at
        if len(self._buffer) - keep > MAX_OBJECT_BYTES:
            raise ValueError("an object of the list is larger than any can be")
        del self._buffer[:keep]
        self._at -= keep
        self._item = 0 if self._item >= 0 else -1
        self._outside = 0
