# SPDX-License-Identifier: Apache-2.0
"""Facts of a node that has everything, for tests that take one thing away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sensor.adapters.bccpackage import BccPackage
from sensor.core.kernel import Kernel
from sensor.core.privileges import CAPABILITIES, Privileges
from sensor.doctor.facts import Facts, Tracepoints
from sensor.probes.features import Features
from sensor.probes.offsets.model import Offsets
from sensor.workloads.cgroups import Hierarchy, Mode

ALL_FEATURES = Features(ringbuf=True, raw_tracepoint=True, probe_read_kernel=True, bounded_loops=True, task_btf=True, set_state=True)

GOOD = Facts(
    kernel=Kernel(release="6.1.0-22-amd64", build="#1", machine="x86_64"),
    privileges=Privileges(
        euid=0,
        effective=frozenset(CAPABILITIES),
        in_host_pid_ns=True,
        in_initial_user_ns=True,
        unprivileged_bpf_disabled=2,
        perf_event_paranoid=2,
        bpf_stats_enabled=False,
        lockdown="none",
        memlock_bytes=65_536,
    ),
    has_btf=True,
    headers="",
    offsets=Offsets(source="btf:/sys/kernel/btf/vmlinux", members={"cred__uid": 4}, tracepoints={}, missing_optional=("task_struct.pids",)),
    features=ALL_FEATURES,
    tracepoints=Tracepoints(mounted_at="/sys/kernel/tracing", folder=Path("/sys/kernel/tracing"), missing=()),
    hierarchy=Hierarchy(mode=Mode.UNIFIED, mount_point=Path("/sys/fs/cgroup"), controller="", whole=True),
    runtimes=("containerd (/run/containerd/containerd.sock)",),
    bcc=BccPackage(folder=Path("/usr/lib/python3/dist-packages/bcc"), is_real=True, version="0.26.0", library="libbcc.so.0.26.0"),
    libbpf="v1.1",
)


def facts(*, release: str = "6.1.0", without: tuple[str, ...] = (), privileges: dict[str, object] | None = None, **changes: object) -> Facts:
    """Return the good node's facts with *changes*; *without* names capabilities that are missing."""
    mine = replace(GOOD.privileges, effective=GOOD.privileges.effective - set(without), **(privileges or {}))
    return replace(GOOD, kernel=replace(GOOD.kernel, release=release), privileges=mine, **changes)
