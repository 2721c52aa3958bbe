# SPDX-License-Identifier: Apache-2.0
"""
Every program as this kernel takes it, in its own form and in the form for 4.14; the second also passes the check for 4.14.

``SCOUT_REPORT`` names a folder that keeps the instructions and their counts;
``SCOUT_OFFSETS`` a table to take the offsets from, as the guests do. Compiling
takes a minute in a guest, so each of a guest's runs does the form it is for.
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
from sensor.probes.features import OLDEST, Features, detect
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.tracepoints import find_tracefs
from sensor.probes.programs import PROBES, STAGES

BPF = Path(__file__).resolve().parents[2] / "bpf"
MOST_DESCRIPTORS = 253  # SCM_MAX_FD: more do not fit into one message
ID_MASK = 0xFFFFFFFF  # below 5.5 a cgroup's id is 32 bits

FORM = os.environ.get("SCOUT_FEATURES", "")  # a guest runs the tests once for each form

only_own = pytest.mark.skipif(FORM == "oldest", reason="the run with this kernel's own features does this")
only_oldest = pytest.mark.skipif(FORM == "all", reason="the run with the oldest features does this")


def load(features: Features, folder: Path) -> dict[str, bytes]:
    """Have the loader compile, load and attach everything; its descriptors are closed at once. The instructions of each program."""
    dump = folder / "programs"
    dump.mkdir(parents=True)
    table = os.environ.get("SCOUT_OFFSETS")
    offsets = resolve(places=Places(table_file=Path(table) if table else None))
    job = loader.Job(
        bpf=str(BPF),
        flags=assemble.flags(BPF, features, offsets.flags(), subsys=None, id_mask=ID_MASK),
        features=dataclasses.asdict(features),
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
    for probe, words in {"all": answer["error"], **answer["failed"]}.items():
        (folder / f"refused-{probe}.txt").write_text(words)
        assert words == "", f"{probe}: … {words[-1500:]}"
    (folder / "instructions.json").write_text(json.dumps(answer["instructions"], indent=2) + "\n")
    return {path.stem: path.read_bytes() for path in sorted(dump.glob("*.bpf"))}


def report_folder(name: str, tmp_path_factory) -> Path:
    """Where the instructions are left: in the report that was asked for, or nowhere that lasts."""
    report = os.environ.get("SCOUT_REPORT")
    return Path(report) / name if report else tmp_path_factory.mktemp(name)


def functions(features: Features) -> set[str]:
    """The programs that a kernel with these features gets."""
    entries = {entry.function for probe in PROBES for entry in probe.entries if not entry.needs or getattr(features, entry.needs)}
    return entries | {f"{sort}{stage}" for sort in ("stage_", "raw_stage_")[: 1 + features.raw_tracepoint] for stage in STAGES}


@pytest.fixture(scope="module")
def oldest(tmp_path_factory) -> dict[str, bytes]:
    """The programs in the oldest form, loaded."""
    return load(OLDEST, report_folder("oldest-form", tmp_path_factory))


@only_own
def test_every_program_loads_in_this_kernels_form(tmp_path_factory):
    """With what this kernel offers, its verifier takes every program, and every hook is there."""
    features = detect(find_tracefs())
    assert set(load(features, report_folder("own-form", tmp_path_factory))) == functions(features)


@only_oldest
def test_every_program_loads_in_the_oldest_form(oldest):
    """Perf buffers, classic tracepoints, one read helper, no loops: this kernel's verifier takes all of it."""
    assert set(oldest) == functions(OLDEST)


@only_oldest
@pytest.mark.parametrize("name", sorted(functions(OLDEST)))
def test_4_14_would_take_the_program(oldest, name):
    """It is not too long, does not loop, and does nothing that 4.14's verifier refuses (a check, not a run: docs/kernels.md)."""
    report = check_program(name, oldest[name])
    assert report.problems == (), str(report)
