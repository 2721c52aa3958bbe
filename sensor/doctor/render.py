# SPDX-License-Identifier: Apache-2.0
"""
The doctor's answer as text for people and as JSON for machines.

Names and paths come from the node and may hold anything: in the text they are
shown escaped, a line stays a line. The JSON's form is versioned (docs/doctor.md).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sensor.core.escape import visible
from sensor.doctor.checks import EXIT_READY, exit_code
from sensor.doctor.verdicts import Check, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1
"""Raised when a key of the JSON changes its meaning or goes away; new keys do not raise it."""

_COLOURS = {Verdict.OK: "32", Verdict.NOTE: "33", Verdict.PROBLEM: "1;31"}
"""Green, yellow, bold red (ECMA-48 SGR)."""


def as_text(checks: Sequence[Check], *, colour: bool) -> str:
    """
    Lines for people, aligned; below a subject what Scout makes of it and how to mend it.

    Args:
        checks: from `sensor.doctor.checks.examine`.
        colour: verdicts in colour, for terminals.
    """
    names = max((len(check.name) for check in checks), default=0)
    verdicts = max(len(verdict.value) for verdict in Verdict)
    indent = " " * (verdicts + 2 + names + 2)
    lines = []
    for check in checks:
        verdict = check.verdict.value.ljust(verdicts)
        if colour:
            verdict = f"\x1b[{_COLOURS[check.verdict]}m{verdict}\x1b[0m"
        lines.append(f"{verdict}  {check.name.ljust(names)}  {visible(check.found)}")
        if check.uses:
            first, *more = check.uses.splitlines()
            lines.append(f"{indent}{visible(first)}")
            lines += [f"{indent}{visible(line)}" for line in more]
        if check.fix:
            lines.append(f"{indent}to do: {visible(check.fix)}")
    return "\n".join((*lines, "", _summary(checks), ""))


def as_json(checks: Sequence[Check]) -> str:
    """One JSON object, indented: ``doctor`` (the form's number), ``can_run``, ``checks``."""
    document = json.dumps(
        {
            "doctor": FORMAT,
            "can_run": exit_code(checks) == EXIT_READY,
            "checks": [{"name": check.name, "verdict": check.verdict.value, "found": check.found, "uses": check.uses, "fix": check.fix} for check in checks],
        },
        indent=2,
    )
    return document + "\n"


def _summary(checks: Sequence[Check]) -> str:
    problems = [check.name for check in checks if check.verdict is Verdict.PROBLEM]
    if not problems:
        return "Scout can run here."
    return f"Scout cannot run here as it is: {', '.join(problems)}."
