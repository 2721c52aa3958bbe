# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ctypes
import errno
import sys
from types import SimpleNamespace

import pytest

from sensor.adapters.kernel import Unit, version
from sensor.core.errors import EnvironmentRefusal, ProbeError


class Bpf:
    """What BCC's class does, as far as it is used."""

    RAW_TRACEPOINT, TRACEPOINT = 17, 5

    def __init__(self, text="", cflags=()):
        if "broken" in text:
            raise Exception("Failed to compile BPF module <text>")  # noqa: TRY002  # that is what BCC raises
        self.module, self.cflags, self.answers = object(), cflags, []

    def load_func(self, _name, kind):
        answer = self.answers.pop(0) if self.answers else 40
        if isinstance(answer, int) and answer < 0:
            ctypes.set_errno(-answer)
            raise Exception("Failed to load BPF program")  # noqa: TRY002  # as above
        return SimpleNamespace(fd=answer + kind)

    def dump_func(self, _name):
        return b"\x95" + bytes(7)


@pytest.fixture
def bcc(monkeypatch):
    """A package called bcc that is what it should be."""
    ctypes.set_errno(0)
    lib = SimpleNamespace(
        bpf_table_fd=lambda _module, name: {b"live": 7}.get(name, -1),
        bpf_attach_tracepoint=lambda _fd, category, _event: 50 if category == b"sched" else -1,
        bpf_attach_raw_tracepoint=lambda _fd, event: 51 if event == b"sched_process_exec" else -1,
        bpf_update_elem=lambda *_: 0,
    )
    package = SimpleNamespace(BPF=Bpf, lib=lib, __version__="0.26.0", __file__="/usr/lib/bcc")
    monkeypatch.setitem(sys.modules, "bcc", package)
    return package


def test_no_bcc_is_a_refusal_with_the_package_s_name(monkeypatch):
    """ImportError becomes what to install."""
    monkeypatch.setitem(sys.modules, "bcc", None)
    with pytest.raises(EnvironmentRefusal, match="not installed") as caught:
        version()
    assert "python3-bpfcc" in caught.value.hint


def test_an_impostor_is_a_refusal_with_its_place(monkeypatch):
    """The index's package of that name has no BPF."""
    monkeypatch.setitem(sys.modules, "bcc", SimpleNamespace(__file__="/venv/bcc/__init__.py"))
    with pytest.raises(EnvironmentRefusal, match="/venv/bcc"):
        Unit("", ())


def test_a_unit_that_does_not_compile_is_a_probe_error(bcc):
    """BCC's bare Exception does not get further."""
    with pytest.raises(ProbeError, match="refused the unit"):
        Unit("broken", ())


def test_debug_information_is_kept_only_when_asked_for(bcc):
    """It costs a quarter of the compile."""
    assert "-g0" in Unit("", ("-DX=1",))._bpf.cflags
    assert "-g0" not in Unit("", ("-DX=1",), debug=True)._bpf.cflags
    assert "-DX=1" in Unit("", ("-DX=1",))._bpf.cflags


def test_a_map_that_is_not_there_is_a_probe_error(bcc):
    """By name."""
    unit = Unit("", ())
    assert unit.map_fd("live") == 7
    with pytest.raises(ProbeError, match="nonesuch"):
        unit.map_fd("nonesuch")


def test_loading_is_tried_again_when_a_signal_came(bcc):
    """EAGAIN asks for another try, a bounded number of times; any other refusal is final."""
    unit = Unit("", ())
    unit._bpf.answers = [-errno.EAGAIN, -errno.EAGAIN, 30]
    assert unit.load("on_open", raw=False) == 30 + Bpf.TRACEPOINT
    unit._bpf.answers = [-errno.EAGAIN] * 99
    with pytest.raises(ProbeError, match="on_open"):
        unit.load("on_open", raw=False)
    assert len(unit._bpf.answers) == 99 - 5
    unit._bpf.answers = [-errno.EINVAL, 30]
    with pytest.raises(ProbeError, match="on_open"):
        unit.load("on_open", raw=False)
    assert unit._bpf.answers == [30]


def test_raw_and_classic_are_different_types(bcc):
    """A raw tracepoint's program is loaded as one."""
    assert Unit("", ()).load("on_exec", raw=True) == 40 + Bpf.RAW_TRACEPOINT


def test_attaching_gives_a_descriptor_or_says_where_it_failed(bcc):
    """A negative answer names the hook and the kernel's word for it."""
    unit = Unit("", ())
    assert unit.attach_tracepoint(3, "sched", "sched_process_exit") == 50
    assert unit.attach_raw(3, "sched_process_exec") == 51
    ctypes.set_errno(errno.ENOENT)
    with pytest.raises(ProbeError, match="syscalls:sys_exit_nothing: No such file"):
        unit.attach_tracepoint(3, "syscalls", "sys_exit_nothing")
    ctypes.set_errno(0)
    with pytest.raises(ProbeError, match="raw nothing: refused"):
        unit.attach_raw(3, "nothing")


def test_an_array_of_programs_that_refuses_one_says_which(bcc):
    """Index and array."""
    unit = Unit("", ())
    bcc.lib.bpf_table_fd = lambda _module, _name: 9
    unit.set_program("stages", 1, 40)
    bcc.lib.bpf_update_elem = lambda *_: -1
    with pytest.raises(ProbeError, match="program 1 of stages"):
        unit.set_program("stages", 1, 40)


def test_instructions_are_bytes_of_eight(bcc):
    """What tests of the programs' size read."""
    assert len(Unit("", ()).instructions("on_open")) == 8


def test_the_version_is_bccs_own(bcc):
    """For the doctor and the support archive."""
    assert version() == "0.26.0"
