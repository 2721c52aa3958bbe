# SPDX-License-Identifier: Apache-2.0
"""
Guess what a misspelt word was meant to be, within a bounded amount of work.

Comparing a word with every name that is known is the dearest thing that a file
with many mistakes can ask for, and both the words and the names may be a
stranger's: so words are bounded, and a whole load has a budget of comparisons.
When it is used up mistakes are told without a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_CHARACTERS = 64
"""Of a word; longer ones are no slip of the finger."""

MAX_COMPARISONS = 200_000
"""About a second; a misspelt field takes 500."""


@dataclass(slots=True)
class Suggestions:
    """What one load may still spend."""

    left: int = MAX_COMPARISONS

    def hint(self, word: str, known: Collection[str], cutoff: float = 0.7) -> str:
        """Return ``perhaps NAME``, or nothing when no name is close enough or the budget is used up."""
        self.left -= len(known)
        if self.left < 0 or len(word) > MAX_CHARACTERS:
            return ""
        close = get_close_matches(word, [name for name in known if len(name) <= MAX_CHARACTERS], 1, cutoff)
        return f"perhaps {close[0]}" if close else ""
