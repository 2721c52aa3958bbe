# SPDX-License-Identifier: Apache-2.0
"""
Regular expressions and globs in time linear in the text, whatever the pattern.

The only user of google-re2. Rules come from people and texts from attackers;
a backtracking engine would let either stop the sensor. Patterns work on bytes
(RE2's Latin-1 mode): a path that is not valid UTF-8, or has a newline in it,
must not slip through a ``.``, and a pattern's own non-ASCII letters stand for
their UTF-8 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PATTERN_BYTES = 8192
"""Longest pattern; RE2's own limit is on the compiled program."""

MAX_PROGRAM_BYTES = 1 << 20
"""Memory of one compiled pattern; 1,000 rules with a regex each stay below 1 GiB even when all are hostile."""


class PatternError(ValueError):
    """The pattern is not valid, or too large to be held."""


def full_match(pattern: bytes) -> Callable[[bytes], bool]:
    """
    Return a test for texts that *pattern* matches from beginning to end.

    Raises:
        PatternError: with RE2's own words.

    Source:
        Falco's ``regex`` operator is ``RE2::FullMatch`` (libsinsp, filter checks); its ``.`` leaves out newlines and what is not UTF-8.
    """
    return _compile(pattern, fold=False)


def glob_match(pattern: bytes, *, fold: bool = False) -> Callable[[bytes], bool]:
    """
    Return a test for texts that the shell pattern matches; ``*`` crosses slashes.

    Source:
        fnmatch(3) with FNM_EXTMATCH and without FNM_PATHNAME, as Falco's
        ``glob`` has it; *fold* is ``iglob`` (ASCII letters only).
    """
    return _compile(_from_glob(pattern), fold=fold)


def _compile(pattern: bytes, *, fold: bool) -> Callable[[bytes], bool]:
    if len(pattern) > MAX_PATTERN_BYTES:
        raise PatternError(f"the pattern has {len(pattern)} bytes, more than {MAX_PATTERN_BYTES}")
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    options.case_sensitive = not fold
    options.dot_nl = True
    try:
        fullmatch = re2.compile(pattern, options=options).fullmatch
    except re2.error as error:
        words = error.args[0] if error.args else error
        raise PatternError(words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)) from error
    return lambda text: fullmatch(text) is not None


_SIMPLE = {b"*": b".*", b"?": b".", b"|": b"|"}
_REPEATS = {b"?": b"?", b"*": b"*", b"+": b"+", b"@": b""}


def _from_glob(pattern: bytes) -> bytes:
    """Return RE2's spelling of a shell pattern."""
    out: list[bytes] = []
    groups: list[bytes] = []
    at = 0
    while at < len(pattern):
        character = pattern[at : at + 1]
        following = pattern[at + 1 : at + 2]
        at += 1
        if following == b"(" and character == b"!":
            raise PatternError("!(…) in a glob is not supported; use not")
        if following == b"(" and character in _REPEATS:
            groups.append(_REPEATS[character])
            out.append(b"(?:")
            at += 1
        elif groups and character == b")":
            out.append(b")" + groups.pop())
        elif character in _SIMPLE and (groups or character != b"|"):
            out.append(_SIMPLE[character])
        elif character == b"\\" and following:
            out.append(_literal(following))
            at += 1
        elif character == b"[" and (end := _bracket_end(pattern, at)):
            out.append(_bracket(pattern[at:end]))
            at = end + 1
        else:
            out.append(_literal(character))
    if groups:
        raise PatternError("a group in the glob is not closed")
    return b"".join(out)


def _literal(character: bytes) -> bytes:
    return character if character.isalnum() else b"\\x%02x" % character[0]


def _bracket_end(pattern: bytes, at: int) -> int:
    """Return where the bracket that opened before *at* closes, or 0: then ``[`` is a letter like any other."""
    start = at + 1 if pattern[at : at + 1] in (b"!", b"^") else at
    end = pattern.find(b"]", start + 1)
    return max(end, 0)


def _bracket(inside: bytes) -> bytes:
    negated = inside[:1] in (b"!", b"^")
    body = inside[1:] if negated else inside
    out = b""
    for at in range(len(body)):
        character = body[at : at + 1]
        between = character == b"-" and 0 < at < len(body) - 1
        out += b"-" if between else _literal(character)
    return b"[" + (b"^" if negated else b"") + out + b"]"
