# SPDX-License-Identifier: Apache-2.0
"""One unit out of many files; that every subset compiles is in tests/bpf/test_loader.py."""

from __future__ import annotations

import platform
import re
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from sensor.probes import assemble
from sensor.probes.features import OLDEST
from sensor.probes.programs import PROBES

BPF = Path(__file__).resolve().parents[3] / "bpf"
NAMES = [probe.name for probe in PROBES]


@pytest.mark.parametrize("ringbuf", [False, True])
@pytest.mark.parametrize("subset", [subset for size in range(len(NAMES) + 1) for subset in combinations(NAMES, size)], ids="+".join)
def test_every_subset_joins(subset, ringbuf):
    """Headers, prelude and the probes asked for, each file behind its own #line, nothing else."""
    text = assemble.unit(BPF, subset, ringbuf=ringbuf)
    files = re.findall(r'^#line 1 "([^"]+)"$', text, re.MULTILINE)
    emit = "emit_ringbuf.c" if ringbuf else "emit_perf.c"
    assert files == [*(f"bpf/prelude/{name.format(emit=emit)}" for name in assemble.PRELUDE), *(f"bpf/probes/{name}.c" for name in subset)]
    assert text.startswith('#include "gen_events.h"\n')
    pieces = re.split(r'^#line 1 "[^"]+"\n', text, flags=re.MULTILINE)[1:]
    assert pieces == [(BPF.parent / file).read_text() for file in files]


def test_every_file_is_used():
    """No header and no part of the prelude lies there unread."""
    assert {path.name for path in (BPF / "include").iterdir()} == set(assemble.HEADERS)
    emits = ("emit_perf.c", "emit_ringbuf.c")
    assert {path.name for path in (BPF / "prelude").iterdir()} == {name.format(emit=emit) for name in assemble.PRELUDE for emit in emits}
    assert {path.stem for path in (BPF / "probes").iterdir()} == set(NAMES)


@pytest.mark.parametrize(("machine", "at", "more"), [("x86_64", 16384 - 168, set()), ("aarch64", 16384 - 336, {"-DSCOUT_ARM64=1"})])
def test_flags(monkeypatch, machine, at, more):
    """Where registers are, which ids are whole, what the kernel has, every offset, and the controller when there is one."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    found = assemble.flags(BPF, OLDEST, ["-DOFF_a__b=1"], subsys=None, id_mask=0xFFFFFFFF)
    assert set(found) == {f"-I{BPF / 'include'}", f"-DPT_REGS_AT={at}", "-DCGROUP_ID_MASK=0xffffffffull", "-DOFF_a__b=1"} | more
    assert "-DCGROUP_SUBSYS=4" in assemble.flags(BPF, OLDEST, [], subsys=4, id_mask=1)
    assert f"-DPT_REGS_AT={at - 16}" in assemble.flags(BPF, OLDEST, [], subsys=None, id_mask=1, stack_gap_bytes=16)


def test_the_hash_sees_every_source(tmp_path):
    """A changed or renamed file is another hash; the same files are the same hash wherever they lie."""
    shutil.copytree(BPF, tmp_path / "bpf")
    same = assemble.sources_hash(tmp_path / "bpf")
    assert same == assemble.sources_hash(BPF)
    (tmp_path / "bpf/include/limits.h").rename(tmp_path / "bpf/include/bounds.h")
    renamed = assemble.sources_hash(tmp_path / "bpf")
    (tmp_path / "bpf/probes/open.c").write_text("")
    assert len({same, renamed, assemble.sources_hash(tmp_path / "bpf")}) == 3
