# SPDX-License-Identifier: Apache-2.0
"""
Everything the sensor loses or notices, counted with its reason.

A drop is never silent: whoever drops calls `Counters.add` with a member of
`Count`; what the kernel dropped is read from its per-CPU maps when somebody
looks. One `Snapshot` is what the text at the end, SIGUSR1, the metrics and the
support archive show, so they cannot disagree.

`add` may be called by any thread. `event` and `finding` have one calling thread
each (the drain loop's, the engine's) and take no lock; others only read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from sensor.core.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    KernelLosses = Callable[[], Mapping[str, Sequence[int]]]
    """Reason → lost frames on each CPU, as `sensor.events.losses.Loss` names them. Raises OSError when the map cannot be read."""

    WorkloadLosses = Callable[[], Mapping[str, int]]
    """Workload, as people read it → frames its empty token bucket dropped. Raises OSError."""

MAX_RULES = 10_000
"""Rules counted by name; findings of further ones are counted under `OTHER_RULES`. Ten times the largest rule set planned for."""

OTHER_RULES = "(other rules)"
SHOWN_WORKLOADS = 20
"""Flooding workloads shown by name, the worst first; the rest is one line."""


class Count(Enum):
    """One thing that is counted in user space: where, why, and whether something was lost by it."""

    STREAM_BACKLOG_FULL = ("stream", "backlog_full", True)
    """Frames read while the backlog was full; the newest go."""
    STREAM_PERF_LOST = ("stream", "perf_lost", False)
    """Frames the perf buffers had no room for, as their own records say; the kernel's ``ring_full_…`` counts the same frames."""
    STREAM_TOO_LONG = ("stream", "too_long", True)
    """Records longer than any frame can be."""
    DECODE_TOO_SHORT = ("decode", "too_short", True)
    """Frames that ended inside their fixed part or a tail."""
    DECODE_UNKNOWN_KIND = ("decode", "unknown_kind", True)
    """Frames of a kind this build does not have."""
    DECODE_DAMAGED = ("decode", "damaged", True)
    """Frames that cannot be read for another reason."""
    WORKLOADS_EVICTED = ("workloads", "evicted", False)
    """Cgroups forgotten because the table was full; learned again from their next frame."""
    WORKLOADS_NOT_LOADED = ("workloads", "not_loaded", False)
    """Cgroups of the scan at start that the table had no room for."""
    WORKLOADS_PATH_CUT = ("workloads", "path_cut", False)
    """Cgroups whose whole path could not be had: their workload is unknown."""
    WORKLOADS_SCAN_CUT = ("workloads", "scan_cut", False)
    """Scans that stopped at their bound of directories."""
    WORKLOADS_SCAN_UNREADABLE = ("workloads", "scan_unreadable", False)
    """Directories a scan could not read (most often: removed meanwhile)."""
    WORKLOADS_WAITED = ("workloads", "waited", False)
    """Matches that waited for what the API server says of their pod."""
    WORKLOADS_NAMELESS = ("workloads", "nameless", False)
    """Matches that waited in vain, and were told with what was known."""
    WORKLOADS_WAIT_FULL = ("workloads", "wait_full", False)
    """Matches told with what was known because too many were waiting."""
    PODS_GARBAGE = ("pods", "garbage", False)
    """What the API server sent and is no pod of this node."""
    PODS_VALUE_REFUSED = ("pods", "value_refused", False)
    """Names, labels and images in it that are not as Kubernetes allows them, or too many."""
    PODS_TOO_MANY = ("pods", "too_many", False)
    """Pods beyond those that are kept."""
    PODS_STALE = ("pods", "stale", False)
    """Changes older than what was known."""
    PODS_LISTED = ("pods", "listed", False)
    """Times the whole list was asked for: at the start, and when the watch had lost its place."""
    PODS_UNREACHABLE = ("pods", "unreachable", False)
    """Requests that the API server did not answer, or answered with an error."""
    PROCESSES_EVICTED = ("processes", "evicted", False)
    """Processes forgotten because the table was full."""
    PROCESSES_UNREAD = ("processes", "unread", False)
    """Readings in /proc or of users' names that took too long, or were not begun because others hang: their fields are unknown."""
    PROCESSES_NOT_PROVED = ("processes", "not_proved", False)
    """Ancestors that had ended, or run another program, when a rule asked for their command line or path: it is unknown."""
    ENGINE_QUEUE_FULL = ("engine", "queue_full", True)
    """Events that found no room on their way to the rules."""
    ENGINE_EVENT_FAILED = ("engine", "event_failed", True)
    """Events that could not be handled; the log says why."""
    ENGINE_RULE_FAILED = ("engine", "rule_failed", True)
    """Rules that failed on an event; the rule's status says more."""
    SINK_FAILED = ("sink", "failed", True)
    """Findings a sink could not write."""
    SINK_QUEUE_FULL = ("sink", "queue_full", True)
    """Findings that found a sink's queue full."""
    SINK_CUT = ("sink", "cut", False)
    """Findings that were shortened to fit their line; marked as cut."""
    RECORDING_LIMIT = ("recording", "limit", True)
    """Frames not recorded because ``--max-bytes`` was reached."""
    RECORDING_FAILED = ("recording", "failed", True)
    """Frames not recorded because writing failed."""
    RECORDING_TOO_LONG = ("recording", "too_long", True)
    """Frames not recorded because they are longer than any frame can be."""
    COUNTERS_UNREADABLE = ("counters", "kernel_unreadable", False)
    """Times the kernel's counters could not be read."""

    @property
    def where(self) -> str:
        """The part of the sensor."""
        return self.value[0]

    @property
    def reason(self) -> str:
        """Why, in one word."""
        return self.value[1]

    @property
    def is_loss(self) -> bool:
        """Whether an event or a finding was lost; the others are worth knowing."""
        return self.value[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All counts at one moment; zeros are left out of ``losses`` and ``notes``."""

    events: dict[tuple[str, str], int]
    """(kind, lane) → frames that reached user space."""

    findings: dict[str, int]
    """Rule → findings."""

    losses: dict[tuple[str, str], int]
    """(where, reason) → lost; the kernel's, summed over CPUs, have ``kernel`` as where."""

    notes: dict[tuple[str, str], int]
    """(where, reason) → what was noticed without a loss."""

    per_cpu: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The kernel's reasons → losses by CPU."""

    workloads: dict[str, int] = field(default_factory=dict)
    """Workload → frames its token bucket dropped (part of the kernel's losses, told apart)."""

    def as_dict(self) -> dict[str, dict[str, int]]:
        """The same for JSON: keys are joined by a dot."""
        return {
            "events": {f"{kind}.{lane}": count for (kind, lane), count in sorted(self.events.items())},
            "findings": dict(sorted(self.findings.items())),
            "losses": {f"{where}.{reason}": count for (where, reason), count in sorted(self.losses.items())},
            "notes": {f"{where}.{reason}": count for (where, reason), count in sorted(self.notes.items())},
            "workloads": dict(sorted(self.workloads.items())),
        }


class Counters:
    """The counters of one agent. *kernel* and *workloads* read the kernel's maps when somebody looks."""

    def __init__(self, *, kernel: KernelLosses | None = None, workloads: WorkloadLosses | None = None) -> None:
        self._kernel = kernel
        self._workloads = workloads
        self._lock = threading.Lock()
        self._values = dict.fromkeys(Count, 0)
        self._events: dict[tuple[str, str], int] = {}
        self._findings: dict[str, int] = {}

    def attach_kernel(self, kernel: KernelLosses | None, workloads: WorkloadLosses | None = None) -> None:
        """Say where the kernel's counts are read, once the probes are loaded."""
        self._kernel = kernel
        self._workloads = workloads

    def add(self, count: Count, times: int = 1) -> None:
        """Count *times* more. Any thread; a fraction of a microsecond."""
        with self._lock:
            self._values[count] += times

    def value(self, count: Count) -> int:
        """Return how often *count* has happened."""
        return self._values[count]

    def event(self, kind: str, lane: str) -> None:
        """A frame of *kind* arrived through *lane*. The drain loop's thread only."""
        key = (kind, lane)
        self._events[key] = self._events.get(key, 0) + 1

    def finding(self, rule: str) -> None:
        """*rule* made a finding. The engine's thread only."""
        if rule not in self._findings and len(self._findings) >= MAX_RULES:
            rule = OTHER_RULES
        self._findings[rule] = self._findings.get(rule, 0) + 1

    def snapshot(self) -> Snapshot:
        """Return all counts, the kernel's included; what cannot be read there is counted and left out."""
        per_cpu: dict[str, tuple[int, ...]] = {}
        by_workload: dict[str, int] = {}
        try:
            if self._kernel is not None:
                per_cpu = {reason: tuple(values) for reason, values in self._kernel().items()}
            if self._workloads is not None:
                by_workload = {name: dropped for name, dropped in self._workloads().items() if dropped}
        except OSError:
            self.add(Count.COUNTERS_UNREADABLE)
        with self._lock:
            values = {count: value for count, value in self._values.items() if value}
        losses = {("kernel", reason): sum(cpus) for reason, cpus in per_cpu.items() if any(cpus)}
        losses |= {(count.where, count.reason): value for count, value in values.items() if count.is_loss}
        return Snapshot(
            events=self._events.copy(),  # copy() holds the interpreter's lock throughout, so a writing thread does no harm
            findings=self._findings.copy(),
            losses=losses,
            notes={(count.where, count.reason): value for count, value in values.items() if not count.is_loss},
            per_cpu=per_cpu,
            workloads=by_workload,
        )


def render(snapshot: Snapshot) -> str:
    """The table for people: totals always, reasons where there is something to say. Ends with a newline."""
    rows: list[tuple[str, str]] = []
    lanes: dict[str, int] = {}
    for (_, lane), count in snapshot.events.items():
        lanes[lane] = lanes.get(lane, 0) + count
    rows.append(("events", _with_parts(sum(lanes.values()), lanes)))
    rows += [(f"  {kind} ({lane})", f"{count:,}") for (kind, lane), count in sorted(snapshot.events.items()) if count]
    rows.append(("findings", f"{sum(snapshot.findings.values()):,}"))
    rows += [(f"  {_shown(rule)}", f"{count:,}") for rule, count in sorted(snapshot.findings.items(), key=lambda item: (-item[1], item[0]))]
    rows.append(("lost", f"{sum(snapshot.losses.values()):,}"))
    for (where, reason), count in sorted(snapshot.losses.items()):
        rows.append((f"  {where}: {reason.replace('_', ' ')}", f"{count:,}{_cpus(snapshot.per_cpu.get(reason, ())) if where == 'kernel' else ''}"))
    if snapshot.workloads:
        worst = sorted(snapshot.workloads.items(), key=lambda item: (-item[1], item[0]))
        rows.append(("dropped by workload", f"{sum(snapshot.workloads.values()):,}"))
        rows += [(f"  {_shown(name)}", f"{count:,}") for name, count in worst[:SHOWN_WORKLOADS]]
        if rest := worst[SHOWN_WORKLOADS:]:
            rows.append((f"  {len(rest):,} more", f"{sum(count for _, count in rest):,}"))
    if snapshot.notes:
        rows.append(("noticed", f"{sum(snapshot.notes.values()):,}"))
        rows += [(f"  {where}: {reason.replace('_', ' ')}", f"{count:,}") for (where, reason), count in sorted(snapshot.notes.items())]
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name.ljust(width)}{value}\n" for name, value in rows)


def _with_parts(total: int, parts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in sorted(parts.items()) if count)
    return f"{total:,} ({shown})" if len(parts) > 1 else f"{total:,}"


def _cpus(values: Sequence[int]) -> str:
    """Which CPUs lost how many, where more than one exists."""
    shown = ", ".join(f"{cpu}: {count:,}" for cpu, count in enumerate(values) if count)
    return f" (by cpu {shown})" if len(values) > 1 else ""


def _shown(name: str) -> str:
    """*name* fit for a terminal: what is not printable is escaped, and it has an end."""
    safe = visible(name)
    return safe if len(safe) <= 80 else f"{safe[:79]}…"  # noqa: PLR2004  # a terminal's width
