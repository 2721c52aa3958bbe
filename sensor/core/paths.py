# SPDX-License-Identifier: Apache-2.0
"""
Where Scout's data is: the C sources, the managed rules, the offset tables.

They stand beside the Python packages (``bpf/``, ``rules/``,
``kernels/offsets/``), because people who write rules or C should not have to
look inside a package. This module finds that place, in this order:

1. the environment variable ``SCOUT_DATA``, when it is set and not empty. It is
   believed even when it is wrong: a typing mistake is an error, never a silent
   fall-back to other probes;
2. the checkout this module stands in;
3. ``share/scout`` under the installation's prefix (`sys.prefix`), where pip
   puts the files that setup.py lists.

What is in the folders is for others to read; nothing is opened here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.errors import EnvironmentRefusal, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SCOUT_DATA"
_MARK = Path("bpf", "probes")  # a data root is the folder that has the probes


@dataclass(frozen=True, slots=True)
class DataRoot:
    """The folder that holds Scout's data files."""

    root: Path

    @property
    def bpf(self) -> Path:
        """The C sources: ``sysroot/``, ``include/``, ``prelude/``, ``probes/``."""
        return self.root / "bpf"

    @property
    def rules(self) -> Path:
        """The managed rules, ``<tactic>/<id>/rule.yaml``."""
        return self.root / "rules"

    @property
    def offsets(self) -> Path:
        """The offset tables for kernels without BTF; it need not exist."""
        return self.root / "kernels" / "offsets"


def find_data(environ: Mapping[str, str] | None = None, *, beside: Path | None = None, prefix: Path | None = None) -> DataRoot:
    """
    Find the data root.

    Args:
        environ:
            The environment; by default this process's.
        beside:
            The folder that would be the checkout; by default the one that holds the package ``sensor``.
        prefix:
            The installation's prefix; by default `sys.prefix`.

    Raises:
        UsageError: ``SCOUT_DATA`` names a folder without ``bpf/probes``.
        EnvironmentRefusal: there is no data in any of the three places.
    """
    chosen = (os.environ if environ is None else environ).get(VARIABLE, "")
    if chosen:
        if not (Path(chosen) / _MARK).is_dir():
            raise UsageError(f"{VARIABLE}={chosen!r} has no folder {_MARK}", hint=f"unset {VARIABLE}, or name the folder that holds bpf/ and rules/")
        return DataRoot(Path(chosen).resolve())
    places = (beside or Path(__file__).resolve().parents[2], (prefix or Path(sys.prefix)) / "share" / "scout")
    for place in places:
        if (place / _MARK).is_dir():
            return DataRoot(place)
    looked = " nor ".join(str(place) for place in places)
    raise EnvironmentRefusal(f"Scout's probes are neither in {looked}", hint=f"install again, or set {VARIABLE} to the folder that holds bpf/ and rules/")
