# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from sensor.doctor.checks import examine, exit_code
from sensor.doctor.facts import Unknown, find_runtimes, gather, look_at_tracepoints
from sensor.doctor.render import as_json
from sensor.probes.offsets.resolve import Places
from sensor.probes.programs import PROBES


def test_an_empty_node_is_described_and_not_ready(tmp_path):
    """Nothing there is nothing raised: every answer that cannot be had has its reason, and the exit code is 4."""
    places = Places(btf=tmp_path / "vmlinux", modules=tmp_path / "modules", kheaders=tmp_path / "kheaders", tables=tmp_path / "tables", tracefs=None)
    found = gather(places, root=tmp_path)
    assert isinstance(found.offsets, Unknown)
    assert isinstance(found.hierarchy, Unknown)
    assert found.runtimes == ()
    assert found.tracepoints.folder is None
    assert exit_code(examine(found)) == 4
    assert json.loads(as_json(examine(found)))["can_run"] is False


def test_tracefs_is_told_from_its_mount(tmp_path):
    """Mounted and unreadable is not the same as not mounted."""
    line = "42 23 0:13 / /sys/kernel/tracing rw,relatime - tracefs nodev rw\n"
    assert look_at_tracepoints(None, line).mounted_at == "/sys/kernel/tracing"
    assert look_at_tracepoints(None, "").mounted_at == ""
    assert look_at_tracepoints(None, line).missing == ()


def test_hooks_without_any_tracepoint_are_named(tmp_path):
    """One of several tracepoints is enough: no kernel has all of the opens."""
    missing = look_at_tracepoints(tmp_path, "").missing
    assert any(line.startswith("open: syscalls/sys_exit_openat, ") for line in missing)
    for probe in PROBES:
        for entry in probe.entries:
            category, event = entry.tracepoints[0]
            (tmp_path / "events" / category / event).mkdir(parents=True, exist_ok=True)
    assert look_at_tracepoints(tmp_path, "").missing == ()


def test_runtimes_are_known_by_their_sockets(tmp_path):
    """Each runtime once, with the place where it listens."""
    for path in ("run/k3s/containerd/containerd.sock", "run/crio/crio.sock"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert find_runtimes(tmp_path) == ("containerd (/run/k3s/containerd/containerd.sock)", "CRI-O (/run/crio/crio.sock)")
