# SPDX-License-Identifier: Apache-2.0
"""
One verdict a subject: what was found, what Scout will use, what to do.

A check is a pure function from `Facts` to a `Check`. *problem* means that
`scout run` would refuse or be blind for a whole event kind, *note* that it runs
with less, *ok* that there is nothing to do. A new one is a function and a line
in `CHECKS`; those on rights are in `sensor.doctor.rights`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.core.kernel import OLDEST_SUPPORTED
from sensor.doctor import rights
from sensor.doctor.facts import Facts, Unknown
from sensor.doctor.verdicts import Check, Verdict, note, ok, problem
from sensor.workloads.cgroups import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EXIT_READY, EXIT_NOT_READY = 0, 4
"""Exit codes of ``scout doctor``; 4 is every refusal of the environment (`sensor.core.errors`)."""

_ARCHITECTURES = ("x86_64", "aarch64")


def check_kernel(facts: Facts) -> Check:
    """The kernel's release: 4.14 is what the programs are written for."""
    oldest = ".".join(map(str, OLDEST_SUPPORTED))
    if facts.kernel.old_enough_to_refuse:
        return problem("kernel", f"Linux {facts.kernel.release}", f"older than {oldest}", f"boot a kernel from {oldest} on")
    return ok("kernel", f"Linux {facts.kernel.release}")


def check_architecture(facts: Facts) -> Check:
    """The machine: registers and system calls are known for two."""
    if facts.kernel.machine not in _ARCHITECTURES:
        return problem("architecture", facts.kernel.machine, f"Scout knows {' and '.join(_ARCHITECTURES)}")
    return ok("architecture", facts.kernel.machine)


def check_offsets(facts: Facts) -> Check:
    """Where the kernel keeps what the probes read: which sources there are, and which one serves."""
    there = ["BTF"] if facts.has_btf else []
    there += [f"headers ({facts.headers})"] if facts.headers else []
    found = ", ".join(there) or "neither BTF nor headers"
    if isinstance(facts.offsets, Unknown):
        return problem("offsets", found, facts.offsets.reason, facts.offsets.fix)
    missing = facts.offsets.missing_optional
    count = len(facts.offsets.members) + len(facts.offsets.tracepoints)
    without = f"; this kernel has no {', '.join(missing)}" if missing else ""
    return ok("offsets", found, f"{count} offsets from {facts.offsets.source}{without}")


def check_programs(facts: Facts) -> Check:
    """Whether the kernel loads programs for us, and what kinds."""
    if isinstance(facts.features, Unknown):
        return problem("BPF", "no program could be loaded", facts.features.reason, facts.features.fix)
    features = facts.features
    words = {
        "raw tracepoints": features.raw_tracepoint,
        "kernel and user reads": features.probe_read_kernel,
        "loops": features.bounded_loops,
        "typed task access": features.task_btf,
    }
    has, lacks = [name for name, there in words.items() if there], [name for name, there in words.items() if not there]
    return ok("BPF", f"programs load, with {', '.join(has) or 'the oldest facilities'}", f"without {', '.join(lacks)}: slower forms" if lacks else "")


def check_transport(facts: Facts) -> Check:
    """How events leave the kernel."""
    if isinstance(facts.features, Unknown):
        return note("transport", "could not be asked", facts.features.reason)
    if facts.features.ringbuf:
        return ok("transport", "ring buffer")
    return ok("transport", "perf buffer", "the ring buffer came with 5.8; memory is per CPU")


def check_tracepoints(facts: Facts) -> Check:
    """Whether tracefs is there, and what the probes hook."""
    seen = facts.tracepoints
    if seen.folder is None and seen.mounted_at:
        return problem("tracepoints", f"tracefs is mounted at {seen.mounted_at} and cannot be read", "only root may", "run as root (sudo)")
    if seen.folder is None:
        return problem("tracepoints", "tracefs is not mounted, or not to be seen", "", "mount -t tracefs nodev /sys/kernel/tracing")
    if seen.missing:
        fix = "a kernel with CONFIG_FTRACE_SYSCALLS has them"
        return problem("tracepoints", f"{seen.folder} lacks {'; '.join(seen.missing)}", "those event kinds are blind", fix)
    if not isinstance(facts.features, Unknown) and not facts.features.set_state:
        return note("tracepoints", f"{seen.folder}, without sock/inet_sock_set_state", "a TCP peer is what was asked for (before 4.16)")
    return ok("tracepoints", str(seen.folder))


def check_cgroups(facts: Facts) -> Check:
    """Which cgroup hierarchy tells one workload from another."""
    hierarchy = facts.hierarchy
    if isinstance(hierarchy, Unknown):
        return problem("cgroups", "no hierarchy to tell workloads by", hierarchy.reason, hierarchy.fix)
    key = "the unified hierarchy" if hierarchy.mode is Mode.UNIFIED else f"the v1 controller {hierarchy.controller}"
    uses = f"workloads are told by {key}, {hierarchy.mount_point}"
    if not hierarchy.whole:
        return note("cgroups", hierarchy.mode.value, f"{uses}, of which only a part is seen: containers are learned from their events")
    return ok("cgroups", hierarchy.mode.value, uses)


def check_runtimes(facts: Facts) -> Check:
    """Container runtimes; Scout reads ids from cgroup paths and asks no runtime."""
    return ok("runtimes", ", ".join(facts.runtimes) or "no runtime's socket seen", "container ids come from cgroup paths")


def check_bcc(facts: Facts) -> Check:
    """The compiler, and whether the Python package is the right one."""
    bcc = facts.bcc
    install = "apt-get install python3-bpfcc"
    if bcc.folder is None:
        return problem("BCC", "there is no Python package bcc", "the probes cannot be compiled", f"{install}; run Scout with the distribution's Python")
    if not bcc.is_real:
        found = f"{bcc.folder} is not the BPF Compiler Collection but the Python package index's package of the same name"
        return problem("BCC", found, "the probes cannot be compiled", f"pip uninstall bcc; {install}")
    if not bcc.library:
        return note("BCC", f"{bcc.version or 'unknown version'} at {bcc.folder}", "its shared library libbcc.so.0 was not found", install)
    return ok("BCC", f"{bcc.version or 'unknown version'} at {bcc.folder}, {bcc.library}")


def check_libbpf(facts: Facts) -> Check:
    """The library the agent reads its rings with."""
    if not facts.libbpf:
        return problem("libbpf", "libbpf 1.x is not installed", "events cannot be read", "apt-get install libbpf1")
    return ok("libbpf", facts.libbpf)


def check_statistics(facts: Facts) -> Check:
    """Whether the kernel measures the programs' run time; measuring costs a little."""
    on = facts.privileges.bpf_stats_enabled
    return ok("BPF statistics", "on" if on else "off", "" if on else "to see what the programs cost: sysctl kernel.bpf_stats_enabled=1")


CHECKS: tuple[Callable[[Facts], Check], ...] = (
    check_kernel,
    check_architecture,
    rights.check_privileges,
    rights.check_memlock,
    rights.check_lockdown,
    rights.check_unprivileged,
    rights.check_perf_events,
    rights.check_processes,
    check_programs,
    check_transport,
    check_offsets,
    check_tracepoints,
    check_cgroups,
    check_runtimes,
    check_bcc,
    check_libbpf,
    check_statistics,
)
"""In the order in which they are told: what everything hangs on first."""


def examine(facts: Facts) -> tuple[Check, ...]:
    """Every check, in order."""
    return tuple(check(facts) for check in CHECKS)


def exit_code(checks: Iterable[Check]) -> int:
    """0 when the sensor can run here, 4 otherwise."""
    return EXIT_NOT_READY if any(check.verdict is Verdict.PROBLEM for check in checks) else EXIT_READY
