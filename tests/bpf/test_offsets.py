# SPDX-License-Identifier: Apache-2.0
"""What this machine's kernel says of itself: offsets and features, for real."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sensor.adapters.btf import VMLINUX_BTF
from sensor.adapters.constants import evaluate
from sensor.core.kernel import running_kernel
from sensor.probes.features import detect
from sensor.probes.offsets.btf import from_btf
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.tables import dump
from sensor.probes.offsets.tracepoints import find_tracefs
from sensor.probes.offsets.wanted import WANTED

needs_btf = pytest.mark.skipif(not VMLINUX_BTF.is_file(), reason="this kernel shows no BTF")


@needs_btf
def test_every_wanted_member_resolves_here():
    """All members are found; only the pid links of kernels before 4.19, and what this build left out, may be missing."""
    found = resolve()
    assert found.source == f"btf:{VMLINUX_BTF}"
    numbers = running_kernel().numbers
    allowed = {"task_struct.loginuid", "upid.pid_chain"} | ({"task_struct.pids"} if numbers >= (4, 19) else {"task_struct.thread_pid", "signal_struct.pids"})
    if numbers < (5, 6):
        allowed.add("sock.sk_protocol")
    assert set(found.missing_optional) <= allowed
    assert "tp_sched_process_exec__filename" in found.tracepoints
    assert len(found.flags()) == len(set(found.flags())) >= len(WANTED)


@needs_btf
def test_asking_btf_is_quick():
    """The agent's start waits for it; 5.5 MB of types take about 20 ms, best of five (``SCOUT_SLOW`` times as long in a guest)."""
    spent_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        from_btf(WANTED)
        spent_s.append(time.perf_counter() - began_s)
    assert min(spent_s) < 0.040 * float(os.environ.get("SCOUT_SLOW") or 1)


@needs_btf
def test_btfs_memory_is_given_back():
    """Ten more readings leave no 5.5 MB behind."""

    def resident_bytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    from_btf(WANTED)
    before = resident_bytes()
    for _ in range(10):
        from_btf(WANTED)
    assert resident_bytes() - before < 6_000_000


@needs_btf
def test_a_table_made_here_says_the_same(tmp_path):
    """What is dumped on a kernel with BTF serves one without: the same flags to the letter."""
    found = resolve()
    (tmp_path / f"{running_kernel().release}.json").write_text(dump(found, WANTED, running_kernel()))
    again = resolve(source_order=("tables",), places=Places(tables=tmp_path))
    assert again.flags() == found.flags()
    assert again.source.startswith("table:")


def test_this_kernel_answers_every_question():
    """Features are asked in a few milliseconds, and what is newer implies what is older."""
    tracefs = find_tracefs()
    assert tracefs is not None
    began_s = time.perf_counter()
    features = detect(tracefs)
    assert time.perf_counter() - began_s < 0.5 * float(os.environ.get("SCOUT_SLOW") or 1)
    assert features.raw_tracepoint or not features.probe_read_kernel
    assert features.bounded_loops or not features.ringbuf
    if running_kernel().numbers >= (5, 11):
        assert features.ringbuf
        assert features.probe_read_kernel
        assert features.raw_tracepoint
        assert features.bounded_loops
        assert features.set_state


def test_the_compiler_answers_offsetof_without_headers():
    """BCC's clang gives constants with Scout's own headers too; what it refuses is left out, and told."""
    pytest.importorskip("bcc")
    sysroot = Path(__file__).resolve().parents[2] / "bpf/sysroot"
    text = "struct pair { char a; long b; unsigned c : 3; };"
    good, bit, missing = (f"__builtin_offsetof(struct pair, {name})" for name in ("b", "c", "d"))
    found = evaluate(text, [good, bit, missing], source=sysroot, build=sysroot)
    assert found.values == {good: 8}
    assert "bit-field" in found.refused[bit]
    assert "no member named 'd'" in found.refused[missing]
