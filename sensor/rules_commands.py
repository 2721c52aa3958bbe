# SPDX-License-Identifier: Apache-2.0
"""``scout rules``: check, list, explain and test rules, without a kernel. Each action returns the process's exit code."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sensor.core.counters import Counters
from sensor.core.errors import UsageError
from sensor.core.escape import visible
from sensor.core.paths import find_data
from sensor.engine.decide import Policy, load_policy
from sensor.ruleset import report
from sensor.ruleset.load import load
from sensor.ruleset.roots import host_closures
from sensor.ruleset.whynot import why

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from sensor.ruleset.model import Rule, RuleSet

SHOWN_EVENTS = 20
"""Events of a recording that ``explain`` shows; one is picked with ``--frame``."""


def rules(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {"check": _check, "list": _list, "test": _test, "explain": _explain}[options.action](options)


def _check(options: argparse.Namespace) -> int:
    text, code = report.check_text(_paths(options))
    sys.stdout.write(text + "\n")
    return code


def _test(options: argparse.Namespace) -> int:
    text, code = report.run_cases(_paths(options))
    sys.stdout.write(text + "\n")
    return code


def _paths(options: argparse.Namespace) -> tuple[Path, ...]:
    return tuple(options.paths) or (find_data().rules,)


def _list(options: argparse.Namespace) -> int:
    ruleset = load(_paths(options))
    if options.navigator:
        sys.stdout.write(report.navigator_layer(ruleset))
        return 0
    policy = load_policy(options.policy, [rule.id for rule in ruleset.rules]) if options.policy else Policy.builtin()
    rows = [{**row, "mitigation": policy.strongest(row["id"])} for row in report.list_rows(ruleset)]
    sys.stdout.write(json.dumps(rows, indent=1) + "\n" if options.json else report.table_text(rows))
    return 0


def _explain(options: argparse.Namespace) -> int:
    if options.rule.endswith((".yaml", ".yml")):
        from pathlib import Path  # noqa: PLC0415  # an id is no path

        ruleset = load((Path(options.rule),))
        asked = list(ruleset.rules)
    else:
        ruleset = load(tuple(options.rules) or (find_data().rules,))
        found = ruleset.find(options.rule)
        asked = [found] if found else []
    if not asked:
        raise UsageError(f"no rule is called {options.rule!r}", hint="scout rules list shows them all; a file is named with its .yaml")
    for rule in asked:
        if options.recording:
            _over_recording(ruleset, rule, options.recording, options.frame)
        else:
            sys.stdout.write(f"{report.explain_text(ruleset, rule.id)}\n")
    return 0


def _over_recording(ruleset: RuleSet, rule: Rule, path: Path, frame: int | None) -> None:
    from sensor.recording.replay import replay  # noqa: PLC0415  # only here

    shown = _Shown(ruleset, rule, frame)
    counters = Counters()
    replay(path, lambda _context: shown, recompute=lambda _event: 0, counters=counters)
    left = shown.asked - shown.told
    sys.stdout.write(f"{rule.id}: asked about {shown.asked} of {shown.frames} frames{f', {left} of them not shown' if left else ''}; matches {shown.matched}\n")


class _Shown:
    """A replay's pipeline that explains."""

    def __init__(self, ruleset: RuleSet, rule: Rule, frame: int | None) -> None:
        self._ruleset, self._rule, self._frame = ruleset, rule, frame
        self._closures = host_closures()
        self.frames = self.asked = self.told = self.matched = 0

    def handle(self, event: Any) -> None:  # noqa: ANN401  # the event classes are generated
        """Say why, of an event that the rule is asked about."""
        number, self.frames = self.frames, self.frames + 1
        if event.kind_name not in self._rule.functions:
            return
        self.asked += 1
        self.matched += self._rule.match(event)
        if self._frame not in (None, number) or self.told >= SHOWN_EVENTS:
            return
        self.told += 1
        lines = why(self._ruleset, self._rule, event, self._closures)
        head = f"frame {number}: {event.kind_name} by {event.comm.decode(errors='backslashreplace')}[{event.tgid}]: {self._rule.id} {lines[0]}"
        sys.stdout.write("\n".join(visible(line) for line in (head, *lines[1:])) + "\n\n")

    def finish(self) -> None:
        """All was told already."""
