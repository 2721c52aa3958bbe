# SPDX-License-Identifier: Apache-2.0
"""
What the compiler says constant expressions are, with real kernel headers and no program run.

A node without BTF may have kernel headers, and BCC brings clang. Each wanted
expression becomes ``int mN(void *ctx) { return EXPRESSION; }``, and the answer
is the immediate of the one instruction clang makes of it. Nothing is loaded
into the kernel. LLVM works in a child that exits, so its 150 MiB do not stay
with the agent; what clang wrote on standard error comes back whole.
"""

from __future__ import annotations

import json
import os
import platform
import re
import struct
import subprocess  # noqa: TID251  # the child is this very file; it exits with its answer
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.adapters.kernel import Unit
from sensor.core.errors import EnvironmentRefusal, ProbeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMEOUT_S = 300
"""A compile with real headers takes 2 s here and 41 s in an emulated guest."""

_UNIT = "scout_constants"
"""The name the expressions' lines have in clang's messages."""

_ERROR = re.compile(rf"^{_UNIT}:(\d+):\d+: error: (.*)$", re.MULTILINE)
_MOVE_IMMEDIATE, _EXIT = 0xB7, struct.pack("<Q", 0x95)
_FUNCTION_BYTES = 16  # two instructions


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What came of it."""

    values: Mapping[str, int]
    """Expression → value, for those that compiled to a constant."""

    refused: Mapping[str, str]
    """Expression → clang's message."""

    diagnostics: str
    """What clang wrote when the unit as a whole did not compile; empty when it did."""


def evaluate(includes: str, expressions: Sequence[str], *, source: Path, build: Path) -> Constants:
    """
    Compile *expressions* behind *includes* and read their values.

    Args:
        includes: C text: include lines and declarations.
        expressions: C constant expressions of integer type, each on one line.
        source: the tree with the kernel's headers (``include/linux/sched.h``).
        build: the tree with the generated ones (``include/generated/autoconf.h``); often the same.

    Returns:
        Values and refusals by expression. Expressions clang refuses are left
        out and the rest is compiled once more.
    """
    refused: dict[str, str] = {}
    for _ in range(2):
        wanted = [expression for expression in expressions if expression not in refused]
        outcome = _compile(includes, wanted, source, build)
        if outcome.refused and not outcome.values:
            refused.update(outcome.refused)
            continue
        return Constants(values=outcome.values, refused=refused | dict(outcome.refused), diagnostics=outcome.diagnostics)
    return Constants(values={}, refused=refused, diagnostics=outcome.diagnostics)


def unit_text(includes: str, expressions: Sequence[str]) -> str:
    """The C unit: one function an expression, each on a line of its own that clang's messages name."""
    functions = "\n".join(f"int m{index}(void *ctx) {{ return {expression}; }}" for index, expression in enumerate(expressions))
    return f'{includes}\n#line 1 "{_UNIT}"\n{functions}\n'


def value_of(code: bytes) -> int | None:
    """The constant a function returns: exactly ``r0 = imm; exit``; ``None`` for any other code."""
    if len(code) != _FUNCTION_BYTES or code[:4] != bytes((_MOVE_IMMEDIATE, 0, 0, 0)) or code[8:] != _EXIT:
        return None
    return int(struct.unpack_from("<i", code, 4)[0])


def _compile(includes: str, expressions: Sequence[str], source: Path, build: Path) -> Constants:
    request = json.dumps({"text": unit_text(includes, expressions), "count": len(expressions), "flags": _include_flags(build)})
    package_root = str(Path(__file__).resolve().parents[2])
    try:
        child = subprocess.run(  # argv is constant
            [sys.executable, "-m", "sensor.adapters.constants"],
            input=request.encode(),
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={**os.environ, "BCC_KERNEL_SOURCE": str(source), "PYTHONPATH": package_root},
        )
    except subprocess.TimeoutExpired:
        return Constants(values={}, refused={}, diagnostics=f"clang took longer than {_TIMEOUT_S} s")
    words = child.stderr.decode("utf-8", "replace")
    refused = {expressions[int(line) - 1]: message for line, message in _ERROR.findall(words) if int(line) <= len(expressions)}
    if child.returncode != 0:
        return Constants(values={}, refused=refused, diagnostics="" if refused else words)
    answers: list[int | None] = json.loads(child.stdout)
    values = {expression: value for expression, value in zip(expressions, answers, strict=True) if value is not None}
    return Constants(values=values, refused={}, diagnostics="")


def _include_flags(build: Path) -> list[str]:
    """Where generated headers lie; BCC looks only below the one tree it is given, Debian splits them in two."""
    architecture = {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    folders = (f"arch/{architecture}/include/generated", "include", f"arch/{architecture}/include/generated/uapi", "include/generated/uapi")
    return ["-ferror-limit=0", *(f"-I{build / folder}" for folder in folders)]


def _child() -> int:
    """In the child: compile what standard input asks for, print the values as a JSON list."""
    request = json.load(sys.stdin)
    try:
        unit = Unit(request["text"], tuple(request["flags"]))
    except (ProbeError, EnvironmentRefusal) as error:
        print(error, file=sys.stderr)  # noqa: T201  # clang's words are there already; the parent reads them
        return 1
    values = [value_of(unit.instructions(f"m{index}")) for index in range(request["count"])]
    print(json.dumps(values))  # noqa: T201  # the answer
    return 0


if __name__ == "__main__":
    sys.exit(_child())
