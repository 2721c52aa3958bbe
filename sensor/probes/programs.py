# SPDX-License-Identifier: Apache-2.0
"""
Which BPF programs there are, what they hook, and where later stages go.

A probe is one file in ``bpf/probes`` with one or more entry programs. What is
common to all, building and sending a frame, is done by stages that entries
reach by tail calls; programs of raw tracepoints have a set of their own, since
an array of programs holds one type. The order of stages is that of
``bpf/include/scratch.h`` (tested).
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = ("walk", "admit", "identity", "emit")
"""enum stage: the functions ``stage_…`` and, for raw tracepoints, ``raw_stage_…``."""

MAPS = (
    "live", "tables", "names", "paths", "addresses", "workloads", "buckets", "settings", "losses", "sent", "tracked",
    "common_lane", "reserved_lane", "stages", "scratches",
)  # fmt: skip
"""Maps whose descriptors the agent holds. An array of programs forgets its programs when nobody holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A program that a hook calls."""

    function: str
    """Its name in C."""
    tracepoints: tuple[tuple[str, str], ...] = ()
    """Tracepoints (category, event) it is attached to; those that the kernel lacks are left out if another is there."""
    raw: str = ""
    """Raw tracepoint to use instead, where the kernel has them."""
    needs: str = ""
    """Feature without which the program does not exist (`sensor.probes.features.Features`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One file of ``bpf/probes``: one event kind."""

    name: str
    kind: str
    entries: tuple[Entry, ...]


def _exits(*calls: str) -> tuple[tuple[str, str], ...]:
    return tuple(("syscalls", f"sys_exit_{call}") for call in calls)


PROBES: tuple[Probe, ...] = (
    Probe(name="open", kind="open", entries=(Entry(function="on_open", tracepoints=_exits("openat", "open", "openat2", "creat")),)),
    Probe(
        name="connect",
        kind="connect",
        entries=(
            Entry(function="on_syn_sent", tracepoints=(("sock", "inet_sock_set_state"),), needs="set_state"),
            Entry(function="on_connect", tracepoints=_exits("connect")),
        ),
    ),
    Probe(
        name="exec",
        kind="exec",
        entries=(
            Entry(function="on_exec", tracepoints=(("sched", "sched_process_exec"),), raw="sched_process_exec"),
            Entry(function="on_exec_failed", tracepoints=_exits("execve", "execveat")),
        ),
    ),
    Probe(name="exit", kind="exit", entries=(Entry(function="on_exit", tracepoints=(("sched", "sched_process_exit"),)),)),
)
