# SPDX-License-Identifier: Apache-2.0
"""The agent's side of the loader, with children that misbehave and maps that are dictionaries."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from sensor.core.errors import EnvironmentRefusal, ProbeError
from sensor.events.dimensions import Profile
from sensor.events.losses import Loss
from sensor.events.registry import KINDS
from sensor.probes import session
from sensor.probes.loader import Job
from sensor.probes.session import Buckets, LoaderProcess, Session

JOB = Job(bpf="/nowhere", flags=(), features={}, probes=())
HEAD = """
import json, os, socket, struct, sys
sock = socket.socket(fileno=int(sys.argv[1]))
def receive():
    return json.loads(sock.recv(struct.unpack("<I", sock.recv(4, socket.MSG_WAITALL))[0], socket.MSG_WAITALL))
def answer(fds=(), **fields):
    text = json.dumps(fields).encode()
    socket.send_fds(sock, [struct.pack("<I", len(text))], list(fds))
    sock.sendall(text)
"""


@pytest.fixture
def child(monkeypatch):
    """Start a loader whose program is the test's, and give it its job."""
    made = []

    def start(program: str) -> LoaderProcess:
        monkeypatch.setattr(session, "_CHILD", HEAD + program)
        made.append(LoaderProcess())
        made[-1].give(JOB)
        return made[-1]

    yield start
    for one in made:
        one.stop()


def test_descriptors_are_taken_over(child):
    """Maps first, then programs, then links, by the names of the answer; the child is gone and what it sent stays open."""
    sent = 'maps=["live"], programs=["on_open"], links=["open:sys_exit_openat"], failed={"exit": "why"}, instructions={"on_open": 9}'
    loader = child(f"receive(); ends = os.pipe(); answer((ends[0], os.dup(0), ends[1]), {sent})")
    found = loader.finish(10)
    try:
        assert (list(found.maps), list(found.programs), list(found.links)) == (["live"], ["on_open"], ["open:sys_exit_openat"])
        assert (found.failed, found.instructions) == ({"exit": "why"}, {"on_open": 9})
        os.write(found.links["open:sys_exit_openat"], b"x")
        assert os.read(found.maps["live"], 1) == b"x"
        assert loader._child.returncode is not None
    finally:
        fds = [*found.maps.values(), *found.programs.values(), *found.links.values()]
        found.close()
    assert (found.maps, found.programs, found.links) == ({}, {}, {})
    assert not any(Path(f"/proc/self/fd/{fd}").exists() for fd in fds)


@pytest.mark.parametrize(("code", "error"), [(4, EnvironmentRefusal), (5, ProbeError), (0, ProbeError)])
def test_an_error_of_the_childs_is_ours(child, code, error):
    """With its words, its hint and the kind of error that its exit code stands for."""
    with pytest.raises(error, match="no luck") as caught:
        child(f'receive(); answer(error="no luck", hint="try again", exit_code={code})').finish(10)
    assert caught.value.hint == "try again"


def test_a_child_that_dies(child):
    """Its status and its last words are told."""
    with pytest.raises(ProbeError, match=r"died with status 7: clang: out of memory"):
        child('receive(); sys.stderr.write("clang: out of memory\\n"); sys.stderr.flush(); os._exit(7)').finish(10)


def test_a_child_that_is_killed(child):
    """Also by a signal."""
    with pytest.raises(ProbeError, match=r"died with status -9"):
        child("receive(); os.kill(os.getpid(), 9)").finish(10)


def test_a_child_that_never_answers(child):
    """It is ended when the time is over, and what it said is told."""
    loader = child('receive(); sys.stderr.write("still thinking"); sys.stderr.flush(); sock.recv(1)')
    with pytest.raises(ProbeError, match=r"did not answer within 1 s: still thinking"):
        loader.finish(1)
    assert loader._child.returncode == -9


def test_a_child_that_is_gone_before_its_job(monkeypatch):
    """Told as such, not as a broken pipe."""
    monkeypatch.setattr(session, "_CHILD", "raise SystemExit('no bcc here')")
    loader = LoaderProcess()
    loader._child.wait()
    with pytest.raises(ProbeError, match=r"before it had its job: no bcc here"):
        loader.give(JOB)
    loader.stop()
    loader.stop()


class Maps:
    """Maps by descriptor in libbpf's place."""

    def __init__(self):
        self.of = {}

    def update(self, fd, key, value):
        self.of.setdefault(fd, {})[key] = value

    def lookup(self, fd, key, _value_bytes):
        return self.of.get(fd, {}).get(key)

    def keys(self, fd, _key_bytes):
        return iter(list(self.of.get(fd, {})))

    def delete(self, fd, key):
        return self.of.get(fd, {}).pop(key, None) is not None


@pytest.fixture
def maps(monkeypatch):
    """In libbpf's place, with two CPUs."""
    made = Maps()
    for name in ("update", "lookup", "keys", "delete"):
        monkeypatch.setattr(session.libbpf, f"map_{name}", getattr(made, name))
    monkeypatch.setattr(session.libbpf, "possible_cpus", lambda: 2)
    return made


NAMES = {"settings": 1, "workloads": 2, "losses": 3, "sent": 4, "buckets": 5}


def test_settings_are_times(maps):
    """Rates become nanoseconds a token, bursts the time that a full bucket holds; the shared buckets are there from the start."""
    Session(maps=dict(NAMES)).configure(self_tgid=77, buckets=Buckets(rate_per_s=(1000, 10), burst=(5, 2)))
    (settings,) = maps.of[1].values()
    assert struct.unpack_from("<II4Q", settings) == (77, 1, 1_000_000, 100_000_000, 5_000_000, 200_000_000)
    assert set(maps.of[5]) == {struct.pack("<QII", 0, lane, 0) for lane in range(2)}
    maps.of[5][struct.pack("<QII", 0, 1, 0)] = struct.pack("<4Q", 1, 9, 1, 0)
    Session(maps=dict(NAMES)).configure(self_tgid=77, buckets=Buckets())
    assert Session(maps=dict(NAMES)).flooded() == {0: 9}


def test_profiles(maps):
    """A cgroup's profile is set and forgotten by its id."""
    found = Session(maps=dict(NAMES))
    found.set_profile(0x1_0000_0002, Profile.CONTAINER)
    assert maps.of[2] == {struct.pack("<Q", 0x1_0000_0002): struct.pack("<I", 2)}
    found.forget_profile(0x1_0000_0002)
    found.forget_profile(0x1_0000_0002)
    assert maps.of[2] == {}


def test_counters(maps):
    """Losses by reason and CPU, frames sent by kind over both lanes and all CPUs, drops by cgroup over both lanes."""
    found = Session(maps=dict(NAMES))
    maps.of[3] = {struct.pack("<I", loss): struct.pack("<2Q", loss, 1) for loss in Loss}
    maps.of[4] = {struct.pack("<I", index): struct.pack("<2Q", index, 100) for index in range(16)}
    maps.of[5] = {struct.pack("<QII", cgroup, lane, 0): struct.pack("<4Q", 0, dropped, 0, 0) for cgroup, lane, dropped in ((9, 0, 3), (9, 1, 4), (8, 0, 0))}
    assert found.losses() == {**{loss.name.lower(): (int(loss), 1) for loss in Loss}, "recursion_miss": (0,)}
    assert found.sent() == {spec.name: 4 * spec.number + 1 + 200 for spec in KINDS}
    assert found.flooded() == {9: 7}


def test_programs_that_were_left_out_are_losses(maps, tmp_path, monkeypatch):
    """What the kernel counts at each program's descriptor is summed; a kernel that does not count says nothing."""
    maps.of[3] = {struct.pack("<I", loss): struct.pack("<2Q", 0, 0) for loss in Loss}
    texts = {5: "run_cnt:\t9\nrecursion_misses:\t3\n", 6: "recursion_misses:\t4\n", 7: "prog_type:\t5\n"}
    for fd, text in texts.items():
        (tmp_path / str(fd)).write_text(text)
    monkeypatch.setattr(session, "FDINFO", tmp_path)
    assert Session(maps=dict(NAMES), programs={"on_open": 5, "on_exit": 6, "on_exec": 7}).losses()["recursion_miss"] == (7,)


def test_a_map_that_cannot_be_read(maps):
    """A counter that is not there is an error, not a zero."""
    with pytest.raises(OSError, match="no entry"):
        Session(maps=dict(NAMES)).losses()
    assert maps.of == {}
