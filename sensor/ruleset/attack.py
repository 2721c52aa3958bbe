# SPDX-License-Identifier: Apache-2.0
"""
The pinned table of ATT&CK techniques, so that a tag which names none is a mistake at load.

The table (``rules/attack.json``) has the techniques for containers and those
for Linux that the rules use, with the version they were taken from. It is
part of the rules, not fetched.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.core.errors import DocumentError
from sensor.core.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from sensor.core.suggest import Suggestions

ID = re.compile(r"T[0-9]{4}(\.[0-9]{3})?")


@dataclass(frozen=True, slots=True)
class AttackTable:
    """Technique id → name and tactics."""

    version: str
    techniques: dict[str, tuple[str, tuple[str, ...]]]

    def mistake(self, technique: str, suggestions: Suggestions) -> tuple[str, str] | None:
        """Return message and hint when *technique* is not in the table."""
        if technique in self.techniques:
            return None
        return f"{technique!r} is not in the pinned ATT&CK table (version {self.version})", suggestions.hint(technique, self.techniques, 0.6)


def load_table(path: Path) -> AttackTable:
    """
    Read the table.

    Raises:
        DocumentError: it is not there or not what it should be.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        techniques = {key: (str(one["name"]), tuple(map(str, one["tactics"]))) for key, one in content["techniques"].items()}
        table = AttackTable(str(content["version"]), techniques)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = Problem(str(path), 0, 0, f"cannot be read as a table of techniques: {error}")
        raise DocumentError(str(problem), problems=(problem,)) from error
    return table
