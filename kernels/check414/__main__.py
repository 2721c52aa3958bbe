# SPDX-License-Identifier: Apache-2.0
"""By hand: ``python3 -m kernels.check414 FILE…``, each file one program's raw instructions. Status 1 when there are problems."""

from __future__ import annotations

import sys
from pathlib import Path

from kernels.check414.check import check_program


def main(paths: list[str]) -> int:
    """Print a report for each program; return the exit status."""
    reports = [check_program(Path(path).stem, Path(path).read_bytes()) for path in paths]
    for report in reports:
        print(report)  # noqa: T201  # a command prints
    return 1 if any(report.problems for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
