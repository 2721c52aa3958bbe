# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.errors import DocumentError, KernelUnsupported, OffsetsUnknown
from sensor.core.kernel import Kernel
from sensor.probes.offsets.model import Offsets
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.tables import dump
from sensor.probes.offsets.wanted import Wanted, WantedTracepoint

KERNEL = Kernel(release="4.14.177", build="#1", machine="x86_64")
WANTED = [Wanted("cred", ("uid",)), Wanted("task_struct", ("loginuid",), optional=True)]
EXEC = WantedTracepoint("sched", "sched_process_exec", "filename")


@pytest.fixture
def places(tmp_path):
    """A node with nothing but a table and tracefs."""
    event = tmp_path / "tracefs/events/sched/sched_process_exec"
    event.mkdir(parents=True)
    (event / "format").write_text("format:\n\tfield:int filename;\toffset:8;\tsize:4;\tsigned:1;\n")
    (tmp_path / "tables").mkdir()
    offsets = Offsets(source="btf:x", members={"cred__uid": 4}, tracepoints={}, missing_optional=())
    (tmp_path / "tables/4.14.177.json").write_text(dump(offsets, WANTED, KERNEL))
    return Places(
        btf=tmp_path / "vmlinux",
        modules=tmp_path / "modules",
        kheaders=tmp_path / "kheaders.tar.xz",
        tables=tmp_path / "tables",
        tracefs=tmp_path / "tracefs",
    )


def changed(places, **changes):
    """The same places but for some."""
    return Places(**{name: getattr(places, name) for name in Places.__slots__} | changes)


def test_sources_are_asked_in_order_until_one_knows_all(places):
    """The table answers where there is no BTF and there are no headers, and why the others did not is kept."""
    found = resolve(WANTED, tracepoints=[EXEC], places=places, kernel=KERNEL)
    assert found.source.startswith("table:")
    assert found.flags() == ("-DOFF_cred__uid=4", "-DOFF_tp_sched_process_exec__filename=8")
    assert found.missing_optional == ("task_struct.loginuid",)
    assert [reason.partition(":")[0] for reason in found.refused_sources] == ["btf", "headers"]


def test_when_no_source_is_left_each_says_why(places):
    """The refusal has a line a source and what to install."""
    with pytest.raises(OffsetsUnknown) as caught:
        resolve([*WANTED, Wanted("cred", ("euid",))], tracepoints=[], places=places, kernel=KERNEL)
    message = str(caught.value)
    assert "btf: this kernel has no" in message
    assert "headers: neither" in message
    assert "cred.euid is missing" in message
    assert "BTF" in caught.value.hint


def test_without_tracefs_there_is_nothing_to_attach_to(places):
    """The command that mounts it is the hint."""
    with pytest.raises(KernelUnsupported) as caught:
        resolve(WANTED, places=changed(places, tracefs=None), kernel=KERNEL)
    assert caught.value.hint.startswith("mount -t tracefs")


def test_a_table_named_by_hand_alone_is_asked(places, tmp_path):
    """It may be of another kernel; its mistakes are not papered over by another source."""
    other = Kernel(release="9.9", build="#1", machine="x86_64")
    file = places.tables / "4.14.177.json"
    assert resolve(WANTED, tracepoints=[], places=changed(places, table_file=file), kernel=other).members == {"cred__uid": 4}
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(DocumentError):
        resolve(WANTED, tracepoints=[], places=changed(places, table_file=tmp_path / "bad.json"), kernel=KERNEL)


def test_a_broken_table_is_told_and_not_fatal_by_itself(places):
    """As the last source its mistake stands in the refusal."""
    (places.tables / "4.14.177.json").write_text("{}")
    with pytest.raises(OffsetsUnknown, match="key 'members' is missing"):
        resolve(WANTED, tracepoints=[], places=places, kernel=KERNEL)
