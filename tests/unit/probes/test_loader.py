# SPDX-License-Identifier: Apache-2.0
"""The loader's protocol and its choices, with a unit that is made up; real ones are loaded by every live test."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from pathlib import Path

import pytest

from sensor.adapters import kernel
from sensor.core.errors import EnvironmentRefusal, ProbeError
from sensor.probes import loader
from sensor.probes.features import OLDEST, Features
from sensor.probes.loader import Answer, Job, receive, send
from sensor.probes.programs import MAPS, PROBES, STAGES

BPF = Path(__file__).resolve().parents[3] / "bpf"
NEWEST = Features(**dict.fromkeys((field.name for field in dataclasses.fields(Features)), True))


def test_messages_cross_the_socket_with_descriptors():
    """A length, the bytes, and the descriptors on the first of them."""
    ours, theirs = socket.socketpair()
    ends = os.pipe()
    with ours, theirs:
        send(ours, b"x" * 100_000, [])
        assert receive(theirs) == b"x" * 100_000
        send(ours, b"with", list(ends))
        head, fds, _, _ = socket.recv_fds(theirs, 4, 8)
        assert (int.from_bytes(head, "little"), len(fds), theirs.recv(4)) == (4, 2, b"with")
    for fd in (*ends, *fds):
        os.close(fd)


def test_jobs_and_answers_survive_json():
    """What crosses the socket is plain."""
    job = Job(bpf="/b", flags=("-Da=1",), features={"ringbuf": True}, probes=("open",))
    assert json.loads(json.dumps(dataclasses.asdict(job)))["flags"] == ["-Da=1"]
    assert Answer(**json.loads(json.dumps(dataclasses.asdict(Answer(error="e"))))) == Answer(error="e")


class Words:
    """What BCC wrote on descriptor 2."""

    def take(self) -> str:
        """The compiler's own words."""
        return "bpf/probes/x.c:7: error: so and so"


class FakeUnit:
    """Compiles what has no bad word in it; refuses to load what it was told to."""

    bad, unloadable, made = "", "", []

    def __init__(self, text, flags, *, debug=False):
        if self.bad and f"bpf/probes/{self.bad}.c" in text:
            raise ProbeError("the BPF compiler refused the unit")
        self.text, self.flags, self.loaded, self.stages, self.attached = text, flags, [], {}, []
        self.made.append(self)

    def map_fd(self, name):
        return 1000 + [*MAPS, "raw_stages"].index(name)

    def load(self, function, *, raw):
        if function == self.unloadable:
            raise ProbeError(f"the kernel refused program {function}")
        self.loaded.append((function, raw))
        return len(self.loaded)

    def instructions(self, function):
        return bytes(8 * len(function))

    def attach_tracepoint(self, _fd, _category, event):
        self.attached.append(event)
        return 2000 + len(self.attached)

    def attach_raw(self, _fd, event):
        self.attached.append(f"raw {event}")
        return 2000 + len(self.attached)

    def set_program(self, array, index, _fd):
        self.stages[array, index] = True


@pytest.fixture
def unit(monkeypatch):
    """In BCC's place."""
    for name, value in (("bad", ""), ("unloadable", ""), ("made", [])):
        monkeypatch.setattr(FakeUnit, name, value)
    monkeypatch.setattr(kernel, "Unit", FakeUnit)
    monkeypatch.setattr(loader, "_exists", lambda _category, event: event != "sys_exit_openat2")
    return FakeUnit


def job(features: Features = NEWEST, **more) -> Job:
    """All probes, nothing kept."""
    return Job(bpf=str(BPF), flags=("-Dx=1",), features=dataclasses.asdict(features), probes=tuple(probe.name for probe in PROBES), **more)


@pytest.mark.usefixtures("unit")
def test_everything_is_loaded_and_handed_over():
    """Descriptors in the order of the names: maps, programs that hooks call, links; tracepoints that the kernel lacks are left out where another is there."""
    answer, fds = loader.load(job(), Words())
    assert (answer.error, answer.failed) == ("", {})
    assert answer.maps == [*MAPS, "raw_stages"]
    assert fds[: len(answer.maps)] == [1000 + place for place in range(len(answer.maps))]
    assert answer.programs == ["on_open", "on_syn_sent", "on_connect", "on_exec", "on_exec_failed", "on_exit"]
    assert len(fds) == len(answer.maps) + len(answer.programs) + len(answer.links)
    assert {"open:sys_exit_openat", "open:sys_exit_creat", "connect:inet_sock_set_state", "exec:sched_process_exec"} <= set(answer.links)
    assert "open:sys_exit_openat2" not in answer.links
    assert answer.instructions["on_open"] == len("on_open")


def test_raw_programs_where_the_kernel_has_them(unit):
    """One raw entry with a set of stages for it; in the oldest form neither, nor what needs a newer tracepoint."""
    loader.load(job(), Words())
    assert ("on_exec", True) in unit.made[-1].loaded
    assert {key for key in unit.made[-1].stages if key[0] == "raw_stages"} == {("raw_stages", place) for place in range(len(STAGES))}
    answer, _ = loader.load(job(OLDEST), Words())
    assert answer.maps == list(MAPS)
    functions = {function for function, _ in unit.made[-1].loaded}
    assert not any(raw for _, raw in unit.made[-1].loaded)
    assert "on_syn_sent" not in functions
    assert "exec:sched_process_exec" in answer.links


def test_a_probe_that_does_not_compile_is_found_and_left_out(unit):
    """The others are compiled without it; the answer has the compiler's words."""
    unit.bad = "exec"
    answer, fds = loader.load(job(), Words())
    assert set(answer.failed) == {"exec"}
    assert "bpf/probes/x.c:7: error" in answer.failed["exec"]
    assert fds
    assert not any(link.startswith("exec:") for link in answer.links)
    assert "bpf/probes/open.c" in unit.made[-1].text


def test_a_probe_that_the_verifier_refuses_is_left_out(unit):
    """With the probe's file, and none of its hooks attached."""
    unit.unloadable = "on_connect"
    answer, _ = loader.load(job(), Words())
    assert set(answer.failed) == {"connect"}
    assert "bpf/probes/connect.c" in answer.failed["connect"]
    assert not any(link.startswith("connect:") for link in answer.links)


def test_a_stage_that_cannot_be_loaded_is_the_end(unit):
    """All probes need it."""
    unit.unloadable = "stage_emit"
    answer, fds = loader.load(job(), Words())
    assert "stage_emit" in answer.error
    assert (answer.exit_code, fds) == (ProbeError.exit_code, [])


def test_no_bcc_is_told_with_what_to_do(monkeypatch):
    """The error's hint and exit code cross the socket."""

    def refuse(*_arguments, **_more):
        raise EnvironmentRefusal("BCC is not installed", hint="install it")

    monkeypatch.setattr(kernel, "Unit", refuse)
    answer, fds = loader.load(job(), Words())
    assert (answer.hint, answer.exit_code, fds) == ("install it", EnvironmentRefusal.exit_code, [])
    assert "BCC is not installed" in answer.error


@pytest.mark.usefixtures("unit")
def test_instructions_are_kept_on_demand(tmp_path):
    """One file for each program, for the tests of their size."""
    loader.load(job(dump=str(tmp_path)), Words())
    assert (tmp_path / "stage_walk.bpf").read_bytes() == bytes(8 * len("stage_walk"))
