# SPDX-License-Identifier: Apache-2.0
"""
What the steps of user space take, one at a time, in microseconds.

The least of some repetitions is kept: what disturbs a measurement only adds.
Frames and events are those of the tests; the rules are this build's own.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.line import to_line
from sensor.core.paths import find_data
from sensor.engine.decide import Policy
from sensor.engine.match import Matcher
from sensor.events.decode import decode
from sensor.probes.tables import build
from sensor.ruleset.load import load
from tests.bench.corpus import rules
from tests.bench.results import median
from tests.unit.events_factory import make_workload
from tests.unit.finding_factory import make_builder
from tests.unit.frames_factory import make_ancestor, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.ruleset.model import RuleSet

_REPEATS, _LOOPS = 7, 2000
_ANCESTORS = b"".join(make_ancestor(pid, comm) for pid, comm in ((900, b"bash"), (500, b"sshd"), (1, b"systemd")))
_ALL = (1 << 256) - 1
_SHARED: dict[str, Any] = {
    "ts_ns": 10**12, "start_ns": 10**12 - 1, "cgroup_id": 77, "tgid": 1000, "tid": 1000, "ppid": 900, "comm": b"cat", "pcomm": b"bash", "loginuid": 0xFFFFFFFF,
    "ancestors": _ANCESTORS, "ancestors_count": 3, "exe_path": b"/usr/bin/cat", "cwd": b"/home/user", "cmdline": b"cat\0/home/user/notes/of/today.txt\0",
    "candidates": _ALL,
}  # fmt: skip


def frames() -> dict[str, bytes]:
    """Return a frame of each kind that rules are asked about, as long as they usually are and matched by no rule."""
    peer = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7))
    return {
        "open": make_frame("open", **_SHARED, ret=3, dirfd=-100, syscall=257, path=b"/home/user/notes/of/today.txt", asked=b"notes/of/today.txt"),
        "exec": make_frame("exec", **_SHARED, asked=b"/usr/bin/cat"),
        "connect": make_frame("connect", **_SHARED, fd=3, family=2, protocol=6, dport=443, sport=40000, daddr=peer, saddr=peer),
    }


def least_us(work: Callable[[], object], loops: int = _LOOPS) -> float:
    """Return the time of one call, microseconds."""
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter_ns()
        for _ in range(loops):
            work()
        best = min(best, (time.perf_counter_ns() - started) / loops)
    return best / 1000


def measure() -> dict[str, float]:
    """Return step → microseconds."""
    return {**_events(load((find_data().rules,))), **_loading()}


def _events(ruleset: RuleSet) -> dict[str, float]:
    found: dict[str, float] = {}
    matcher = Matcher(ruleset, _fail)
    host = make_workload()
    replays = []
    for kind, frame in frames().items():
        found[f"decode, {kind}"] = least_us(lambda frame=frame: decode(frame))
        event = decode(frame)
        event.workload = host
        found[f"match, {kind}, every rule a candidate"] = least_us(lambda event=event: matcher.match(event, _ALL))
        single = [least_us(lambda event=event, match=rule.functions[kind].match: match(event)) for rule in ruleset.rules if kind in rule.functions]
        if single:
            found[f"match, {kind}, one rule, median"], found[f"match, {kind}, one rule, slowest"] = median(single), max(single)

        def replay(frame: bytes = frame) -> None:
            event = decode(frame)
            event.workload = host
            matcher.match(event, event.candidates)

        replays.append(least_us(replay))
    found["replay, every rule a candidate"] = max(replays)
    return {**found, **_findings(ruleset, host)}


def _findings(ruleset: RuleSet, host: Any) -> dict[str, float]:
    event = decode(frames()["open"])
    event.workload, event.path = host, b"/etc/shadow"
    rule = next((rule for rule in ruleset.rules if "open" in rule.functions and rule.functions["open"].match(event)), ruleset.rules[0])
    policy, builder = Policy.builtin(), make_builder()
    verdict = policy.decide(event, rule)
    finding = builder.build(event, rule, verdict)
    return {
        "decide": least_us(lambda: policy.decide(event, rule)),
        "build a finding": least_us(lambda: builder.build(event, rule, verdict), 300),
        "write a finding as a line": least_us(lambda: to_line(finding), 300),
    }


def _loading() -> dict[str, float]:
    """Reading, checking and compiling many rules, then their kernel tables."""
    found = {}
    for count in (100, 1000):
        with tempfile.TemporaryDirectory(prefix="scout-bench-") as folder:
            path = Path(folder, "many.yaml")
            path.write_text(rules(count), encoding="utf-8")
            started = time.perf_counter_ns()
            ruleset = load((path,))
            found[f"load {count:,} rules"] = (time.perf_counter_ns() - started) / 1000
        found[f"tables of {count:,} rules"] = least_us(lambda ruleset=ruleset: [build(clauses) for clauses in ruleset.clauses.values()], 1)
    return found


def _fail(rule: str, error: Exception) -> None:
    raise AssertionError(f"{rule}: {error}")
