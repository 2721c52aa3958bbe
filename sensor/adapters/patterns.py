# SPDX-License-Identifier: Apache-2.0
"""
Search and replace in text, in time linear in the text whatever the pattern says.

For settings whose patterns find parts of a text (redaction); the operators of
the rule language, which test a whole value in bytes, are in `adapters.regex`.
RE2 has no look-around and no back-references; a pattern with one is refused
here, as a `DocumentError`, like every other bad pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import re2

from sensor.core.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_PATTERN_CHARACTERS = 8_192
"""Longest pattern taken; the longest in public rule files are below 2,000."""

MAX_MEMORY_BYTES = 8 << 20
"""RE2's budget for a pattern's program and its automata (its own default); a pattern that needs more is refused."""


class Match(Protocol):
    """Where a pattern was found."""

    def group(self, group: int = 0) -> str | None:
        """Return the text of a group, None when it took no part."""

    def span(self, group: int = 0) -> tuple[int, int]:
        """Return a group's begin and end in characters, (-1, -1) when it took no part."""


class Pattern(Protocol):
    """A compiled pattern."""

    @property
    def groups(self) -> int:
        """How many groups it captures."""

    def search(self, text: str) -> Match | None:
        """Return the leftmost match anywhere in *text*."""

    def fullmatch(self, text: str) -> Match | None:
        """Return a match of the whole *text*."""

    def finditer(self, text: str) -> Iterator[Match]:
        """Go through the matches in *text*, left to right, none overlapping another."""

    def sub(self, replacement: str | Callable[[Match], str], text: str) -> str:
        r"""Return *text* with every match replaced; a string may refer to groups as ``\1``."""


def compile(pattern: str, *, capture: bool = True) -> Pattern:  # noqa: A001  # called as patterns.compile, like the libraries people know
    """
    Compile *pattern* (RE2 syntax).

    Args:
        pattern: The expression; ``(?i)`` and the like stand inside it.
        capture: False drops every group, which lets RE2 answer from its faster automaton.

    Raises:
        DocumentError: RE2 does not take it: syntax, look-around, a back-reference, or too large.

    Source:
        Syntax: RE2's doc/syntax.txt.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise DocumentError(f"regular expression of {len(pattern)} characters; at most {MAX_PATTERN_CHARACTERS} are taken")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    options.never_capture = not capture
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
        raise DocumentError(
            f"bad regular expression {pattern!r}: {said}", hint="look-around and back-references are not supported: they cannot be run in bounded time"
        ) from error
    return compiled
