# SPDX-License-Identifier: Apache-2.0
"""
A mistake in a document, at its place.

Loading collects `Problem`s and raises one `DocumentError` with all of them, so
that a person mends a file once. Whatever came from the document is shown with
control characters escaped: a rule file must not be able to write to a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass

from sensor.core.escape import visible

EXCERPT_CHARACTERS = 120
"""Most of a source line that is shown; a longer one is cut around the place."""

MESSAGE_CHARACTERS = 400
"""Most of a message or hint; what was offending in it may be a file long, and loses its middle."""


def excerpt_of(source_line: str, column: int) -> str:
    """Return *source_line* and under it a caret at *column* (from 1), both safe to print."""
    line = source_line.replace("\t", " ").rstrip()
    start = 0 if column <= EXCERPT_CHARACTERS else column - EXCERPT_CHARACTERS // 2
    piece = line[start : start + EXCERPT_CHARACTERS]
    caret_at = len(visible(piece[: max(0, column - 1 - start)]))
    return f"{visible(piece)}\n{' ' * caret_at}^"


def _bounded(text: str) -> str:
    half = MESSAGE_CHARACTERS // 2
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[:half]} […] {text[-half:]}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake; problems sort by place."""

    path: str
    """The file, as it was named by the caller."""

    line: int
    """From 1; 0 when the problem is with the file as a whole."""

    column: int
    """From 1, in characters."""

    message: str
    """What is wrong, with the offending text, and what was expected."""

    excerpt: str = ""
    """The source line and a caret line under it."""

    hint: str = ""
    """What to write instead, when there is a good guess."""

    def __post_init__(self) -> None:
        """Bound what came from the document."""
        for name in ("message", "hint"):
            object.__setattr__(self, name, _bounded(getattr(self, name)))

    def __str__(self) -> str:
        path = visible(self.path)
        place = f"{path}:{self.line}:{self.column}" if self.line else path
        text = f"{place}: {visible(self.message)}"
        for part in self.excerpt.splitlines():
            text += f"\n    {part}"
        return text + (f"\n    hint: {visible(self.hint)}" if self.hint else "")
