# SPDX-License-Identifier: Apache-2.0
"""
The programs in the form for 4.14: this machine's kernel takes them, and the check finds nothing that 4.14 would refuse.

``SCOUT_REPORT`` names a folder that keeps the instructions and their counts;
``SCOUT_OFFSETS`` a table to take the offsets from, as the guests do.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.check414.check import check_program
from sensor.probes import assemble, loader
from sensor.probes.features import OLDEST
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.programs import PROBES

BPF = Path(__file__).resolve().parents[2] / "bpf"
MOST_DESCRIPTORS = 253  # SCM_MAX_FD: more do not fit into one message
ID_MASK = 0xFFFFFFFF  # below 5.5 a cgroup's id is 32 bits

pytestmark = pytest.mark.skipif(
    "SCOUT_SLOW" in os.environ and os.environ.get("SCOUT_FEATURES") != "oldest", reason="a guest does this in its oldest form, which takes a minute"
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> dict[str, bytes]:
    """Have the loader compile and load everything in the oldest form; its descriptors are closed at once."""
    folder = Path(os.environ["SCOUT_REPORT"]) if os.environ.get("SCOUT_REPORT") else tmp_path_factory.mktemp("oldest")
    dump = folder / "oldest-programs"
    dump.mkdir()
    table = os.environ.get("SCOUT_OFFSETS")
    offsets = resolve(places=Places(table_file=Path(table) if table else None))
    job = loader.Job(
        bpf=str(BPF),
        flags=assemble.flags(BPF, OLDEST, offsets.flags(), subsys=None, id_mask=ID_MASK),
        features=dataclasses.asdict(OLDEST),
        probes=tuple(probe.name for probe in PROBES),
        dump=str(dump),
    )
    ours, its = socket.socketpair()
    with ours:
        with its:
            command = [sys.executable, "-m", "sensor.probes.loader", str(its.fileno())]
            child = subprocess.Popen(command, pass_fds=[its.fileno()], cwd=BPF.parent)
        with child:
            loader.send(ours, json.dumps(dataclasses.asdict(job)).encode())
            length, descriptors, _, _ = socket.recv_fds(ours, 4, MOST_DESCRIPTORS)
            for descriptor in descriptors:
                os.close(descriptor)
            answer = json.loads(ours.recv(int.from_bytes(length, "little"), socket.MSG_WAITALL))
    assert (answer["error"], answer["failed"]) == ("", {})
    (folder / "instructions.json").write_text(json.dumps(answer["instructions"], indent=2) + "\n")
    return {path.stem: path.read_bytes() for path in sorted(dump.glob("*.bpf"))}


def test_every_program_loads_in_the_oldest_form(programs):
    """Perf buffers, classic tracepoints, one read helper, no loops: this kernel's verifier takes all of it."""
    wanted = {function for probe in PROBES for function, _, _ in probe.stages()}
    wanted |= {entry.function for probe in PROBES for entry in probe.entries if not entry.needs}
    assert set(programs) == wanted


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_4_14_would_take_the_programs(programs, probe):
    """No program of the probe is too long, loops, or does what 4.14's verifier refuses (a check, not a run: docs/kernels.md)."""
    names = [name for name, _, _ in probe.stages()] + [entry.function for entry in probe.entries]
    reports = [check_program(name, programs[name]) for name in names if name in programs]
    assert reports
    assert [str(report) for report in reports if report.problems] == []
