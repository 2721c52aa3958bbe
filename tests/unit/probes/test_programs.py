# SPDX-License-Identifier: Apache-2.0
"""The list of programs says what the C sources have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensor.events.registry import KINDS
from sensor.probes.features import Features
from sensor.probes.programs import MAPS, PROBES, STAGES

BPF = Path(__file__).resolve().parents[3] / "bpf"
SOURCES = {path.name: path.read_text() for path in (*BPF.glob("prelude/*.c"), *BPF.glob("probes/*.c"))}


def test_stages_are_those_of_the_header():
    """The places in the arrays of programs are the C's enum, in its order."""
    listed = re.search(r"enum stage \{([^}]*)\}", (BPF / "include/scratch.h").read_text())
    assert [name.strip() for name in listed[1].split(",")] == [*(f"STAGE_{name.upper()}" for name in STAGES), "STAGES"]


def test_every_stage_has_its_functions():
    """Both sets of stages are there by name: for classic tracepoints and for raw ones."""
    text = "\n".join(SOURCES.values())
    for name in STAGES:
        assert re.search(rf"\bint stage_{name}\(", text), name
        assert re.search(rf"\bint raw_stage_{name}\(", text), name


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_entry_is_a_function_of_its_probes_file(probe):
    """A program that a hook calls is defined once in bpf/probes/NAME.c."""
    source = SOURCES[f"{probe.name}.c"]
    for entry in probe.entries:
        assert re.search(rf"^int {entry.function}\(", source, re.MULTILINE), entry.function
        assert entry.tracepoints or entry.raw


def test_probes_kinds_and_features_exist():
    """A probe's kind is one of the specifications; what an entry needs is a feature."""
    assert {probe.kind for probe in PROBES} <= {spec.name for spec in KINDS}
    assert len({probe.name for probe in PROBES}) == len(PROBES)
    needs = {entry.needs for probe in PROBES for entry in probe.entries} - {""}
    assert needs <= set(Features.__dataclass_fields__)


def test_every_map_is_declared():
    """The agent asks for maps by the names that the C gives them."""
    text = "\n".join(SOURCES.values())
    for name in MAPS:
        assert re.search(rf"\b{name}\b", text), name
        assert re.search(rf"BPF_\w+\([^;]*\b{name}\b[^;]*\);", text), name
