# SPDX-License-Identifier: Apache-2.0
"""
The words of a condition, taken one at a time as the parser asks for them.

Falco's language has no tokens that are independent of their place: ``<`` is an
operator after a field and a value after ``evt.dir =``, ``in`` may be a value.
So this is a cursor with one method per kind of word, as in Falco's parser.

Source:
    The character classes are those of libsinsp's filter parser.
"""

from __future__ import annotations

import re

_BLANK = re.compile(r"[ \t\r\n\b]*")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+")
_LABEL = re.compile(r"k8s\.(?:pod|ns|rc|svc|rs|deployment)\.label\.[A-Za-z0-9_./-]+")
_ARGUMENT = re.compile(r"[^\]\[\"'\s]+")
_BARE = re.compile(r"[^()\"'\s=,]+")
_WORD_END = re.compile(r"(?![A-Za-z0-9_.])")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", " ": "\\", "\\": "\\", "/": "/"}


class ConditionSyntaxError(Exception):
    """The text is not a condition; *offset* is where it stops being one."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


class Cursor:
    """A place in a text. The ``take_…`` methods return the word and move on, or return None and stay."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_blank(self) -> bool:
        """Move over white space; tell whether there was any."""
        end = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]  # the pattern matches the empty text
        moved = end != self.at
        self.at = end
        return moved

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return self.at >= len(self.text)

    def rest(self) -> str:
        """Return the next word, for messages."""
        match = re.compile(r"\S{1,40}").match(self.text, self.at)
        return match.group() if match else "the end"

    def take(self, literal: str) -> bool:
        """Take exactly *literal*."""
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def take_word(self, word: str) -> bool:
        """Take *word* when it ends there: ``and`` but not ``android``."""
        if self.text.startswith(word, self.at) and _WORD_END.match(self.text, self.at + len(word)):
            self.at += len(word)
            return True
        return False

    def take_identifier(self) -> str | None:
        """Take the name of a macro or list."""
        return self._pattern(_IDENTIFIER)

    def take_field(self) -> str | None:
        """Take the name of a field: words joined by dots."""
        return self._pattern(_LABEL) or self._pattern(_FIELD)

    def take_argument(self) -> str | None:
        """Take what stands between a field's brackets."""
        quoted = self.take_quoted()
        return quoted if quoted is not None else self._pattern(_ARGUMENT)

    def take_bare(self) -> str | None:
        """Take an unquoted value."""
        return self._pattern(_BARE)

    def take_quoted(self) -> str | None:
        """Take a quoted value and return what it stands for."""
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            return None
        at = self.at + 1
        out: list[str] = []
        while at < len(self.text):
            character = self.text[at]
            if character == quote:
                self.at = at + 1
                return "".join(out)
            if character == "\\":
                out.append(self._escape(at, quote))
                at += 1
            else:
                out.append(character)
            at += 1
        raise ConditionSyntaxError(self.at, f"the quotation {quote} is not closed")

    def _escape(self, at: int, quote: str) -> str:
        following = self.text[at + 1 : at + 2]
        if following == quote:
            return quote
        if following in _ESCAPES and following:
            return _ESCAPES[following]
        raise ConditionSyntaxError(at, f"unknown escape \\{following}", "write a backslash as \\\\")

    def _pattern(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()


def unquoted(text: str) -> tuple[str, bool]:
    """
    Return what an item of a YAML list stands for, and whether it was quoted inside.

    Falco pastes list items into the condition's text, so people write
    ``'"a b"'`` for an item with a special character. Both forms mean the same.
    """
    if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
        cursor = Cursor(text)
        try:
            inside = cursor.take_quoted()
        except ConditionSyntaxError:
            return text, False
        if inside is not None and cursor.at_end():
            return inside, True
    return text, False
