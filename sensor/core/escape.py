# SPDX-License-Identifier: Apache-2.0
r"""
Show hostile bytes to people and put them into text without losing one.

Names, paths and arguments are bytes that an attacker chooses. Two steps make
them harmless, and one rule undoes both: ``\xHH`` in a text is the byte HH,
everything else is itself in UTF-8.

* `lossless` makes text of bytes: valid UTF-8 stays as it is (control
  characters too: JSON escapes them by itself), a byte that is not UTF-8 becomes
  ``\xHH``. A literal backslash in front of an ``x`` becomes ``\x5c``, so that no
  two byte strings become the same text. This is the form findings carry.
* `visible` makes such a text safe for a terminal: whatever does not print
  (control characters, newlines, terminal escapes, bidirectional overrides,
  zero-width and unassigned characters, exotic spaces) becomes the ``\xHH`` of
  its UTF-8 bytes.

``raw(visible(lossless(data))) == data`` for every *data*.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def lossless(data: bytes) -> str:
    r"""Return *data* as text: UTF-8, with ``\xHH`` for bytes that are not, and ``\x5c`` for a backslash before an ``x``."""
    if b"\\x" in data:
        data = data.replace(b"\\x", b"\\x5cx")
    return data.decode("utf-8", "backslashreplace")


def raw(text: str) -> bytes:
    """Return the bytes that `lossless` (and `visible` after it) made *text* of."""
    return _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), text.encode("utf-8", "surrogatepass"))


def visible(text: str) -> str:
    r"""
    Return *text*, which is in `lossless` form, with no character that a terminal would not simply show.

    The answer satisfies ``str.isprintable``: it has no control byte, no line
    break, and nothing that reorders or hides what stands beside it.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _bytes_of(character) for character in text)


def shown(data: bytes) -> str:
    """Return *data* as a terminal may show it: `visible` of `lossless`."""
    return visible(lossless(data))


def _bytes_of(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
