# SPDX-License-Identifier: Apache-2.0
"""
By hand: ``python3 -m kernels.run debian-11 'uname -a'``.

Ends with the command's status, or with 125 when the guest itself failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from kernels.matrix import MATRIX, MatrixError, load_matrix
from kernels.run.cache import cache_folder, clean
from kernels.run.errors import GuestError
from kernels.run.guest import run_in_guest

GUEST_FAILED = 125  # as docker and env(1) have it: the messenger failed, not the command


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, run, return the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m kernels.run", description="Run a command of this checkout on another kernel, in QEMU.")
    parser.add_argument("kernel", nargs="?", help="an id of kernels/matrix.yaml")
    parser.add_argument("command", nargs="?", help="a line for /bin/sh, run as root in /scout; /results comes back")
    parser.add_argument("--results", type=Path, help="keep what the command left in /results here (made if need be)")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="for boot and command (default %(default)s)")
    parser.add_argument("--clean", action="store_true", help="remove everything guests left in their cache, and end")
    options = parser.parse_intermixed_args(argv)
    if options.clean:
        clean(cache_folder())
        return 0
    if options.kernel is None or options.command is None:
        parser.error("a kernel's id and a command are needed")
    try:
        kernel = load_matrix(MATRIX.read_text(), MATRIX.name).kernel(options.kernel)
        with tempfile.TemporaryDirectory() as spare:
            results = options.results or Path(spare)
            results.mkdir(parents=True, exist_ok=True)
            done = run_in_guest(
                suite=kernel.suite,
                package=kernel.package,
                command=options.command,
                results=results,
                timeout_s=options.timeout,
                say=_say,
            )
    except (GuestError, MatrixError) as error:
        print(f"kernels.run: {error}", file=sys.stderr)  # noqa: T201  # a command prints
        return GUEST_FAILED
    return done.status


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # a command prints


if __name__ == "__main__":
    sys.exit(main())
