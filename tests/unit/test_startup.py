# SPDX-License-Identifier: Apache-2.0
"""The parts of a start that need no kernel; with one, every live test starts like this."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from sensor import startup
from sensor.core.clock import FakeClock
from sensor.core.config import KernelConfig
from sensor.core.errors import KernelUnsupported, OffsetsUnknown, PrivilegeMissing, ProbeError
from sensor.core.kernel import Kernel
from sensor.core.paths import DataRoot
from sensor.events.common import MAX_ANCESTORS, Lane
from sensor.probes.proof import Truth
from sensor.startup import KernelSide, Startup, child_truth
from tests.unit.events_factory import make_event

TRUTH = Truth(values={"tgid": 4711, "tid": 4712, "comm": b"scout", "uid": 0, "ancestors": ((9, b"sh"), (1, b"init")), "cmdline": b"scout\0"}, chrooted=False)
ALL = (*tuple((kind, lane) for kind in ("open", "connect", "exec") for lane in Lane), ("exit", Lane.COMMON))


def kernel(numbers, monkeypatch):
    """Pretend to run on a kernel of that version."""
    running = SimpleNamespace(numbers=numbers, release=".".join(map(str, numbers)), old_enough_to_refuse=numbers < (4, 14))
    monkeypatch.setattr(startup, "running_kernel", lambda: running)


def test_not_root_is_refused_before_anything_is_started(monkeypatch, tmp_path):
    """With the command that works."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(startup, "LoaderProcess", lambda: pytest.fail("a child was started"))
    with pytest.raises(PrivilegeMissing) as caught:
        Startup(KernelConfig(), DataRoot(tmp_path))
    assert "sudo" in caught.value.hint


def test_an_old_kernel_is_refused(monkeypatch, tmp_path):
    """Older than 4.14, by its version: nothing else tells."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(startup, "LoaderProcess", lambda: pytest.fail("a child was started"))
    kernel((4, 9, 0), monkeypatch)
    with pytest.raises(KernelUnsupported, match=r"4\.9\.0"):
        Startup(KernelConfig(), DataRoot(tmp_path))


def test_a_refusal_after_the_loader_was_started_ends_it(monkeypatch, tmp_path):
    """Nothing stays behind when the offsets are not known."""
    stopped = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(startup, "LoaderProcess", lambda: SimpleNamespace(stop=lambda: stopped.append(True)))
    monkeypatch.setattr(startup, "find_tracefs", lambda: tmp_path)

    def unknown(_tracefs):
        raise OffsetsUnknown("x")

    monkeypatch.setattr(startup.kernel_features, "detect", unknown)
    with pytest.raises(OffsetsUnknown):
        Startup(KernelConfig(), DataRoot(tmp_path))
    assert stopped == [True]


@pytest.mark.parametrize(("numbers", "mask"), [((4, 14, 0), 0xFFFFFFFF), ((5, 4, 9), 0xFFFFFFFF), ((5, 5, 0), (1 << 64) - 1), ((6, 1, 0), (1 << 64) - 1)])
def test_cgroup_ids_are_32_bits_below_5_5(monkeypatch, numbers, mask):
    """User space sees the inode only there."""
    kernel(numbers, monkeypatch)
    assert startup._id_mask() == mask


def test_the_running_kernel_is_not_too_old():
    """The kernel class that the check asks has the attribute that it asks for."""
    assert Kernel.old_enough_to_refuse is not None


def test_cgroup_v2_has_no_controller_index():
    """Only a v1 controller stands in css_set.subsys."""
    assert startup._subsys(SimpleNamespace(controller="")) is None


def test_a_child_is_known_by_its_parent():
    """What is inherited is, what is the parent's alone is not, and the parent is its first ancestor."""
    child = child_truth(TRUTH)
    assert child.values == {"uid": 0, "ppid": 4711, "pcomm": b"scout", "ancestors": ((4711, b"scout"), (9, b"sh"), (1, b"init"))}


def test_a_childs_ancestors_are_no_more_than_a_frame_has():
    """The parent's own eight move up by one."""
    many = tuple((number, b"p") for number in range(1, MAX_ANCESTORS + 1))
    assert len(child_truth(Truth(values={**TRUTH.values, "ancestors": many}, chrooted=False)).values["ancestors"]) == MAX_ANCESTORS


def test_in_another_pid_namespace_a_child_has_no_known_parent():
    """/proc's numbers are not the kernel's there."""
    assert child_truth(Truth(values={"uid": 0}, chrooted=True)) == Truth(values={"uid": 0}, chrooted=True)


# ---- what becomes of the first acts


class Canaries:
    """Acts that come back as told."""

    def __init__(self, seen):
        self.seen = set(seen)
        self.acts = 0

    def act(self):
        self.acts += 1

    def missing(self):
        return tuple(f"{kind}/{lane.name.lower()}" for kind, lane in ALL if (kind, lane) not in self.seen)

    def take(self, event, mask):
        if event.candidates & mask:
            self.seen.add((event.kind_name, Lane(event.lane)))
            return True
        return False

    def facts(self, _event):
        return {}


class Side(KernelSide):
    """A kernel side whose frames are events, one batch each time it is asked."""

    def __init__(self, batches, seen=()):
        self.canaries = Canaries(seen)
        self.agent_tgid = 0
        self.offsets = SimpleNamespace(source="table:x.json")
        self.configured = []
        self.session = SimpleNamespace(configure=lambda **settings: self.configured.append(settings["self_tgid"]))
        self._clock = FakeClock(0)
        self._batches = list(batches)
        self.stream = SimpleNamespace(epoll_fds=(), take=self._take)

    def _take(self):
        if not self._batches:
            self._clock.advance(10**10)
            return ()
        return self._batches.pop(0)

    @staticmethod
    def _decoded(frame):
        return None if frame == "damaged" else frame

    def own_cgroup(self):
        raise OSError("no cgroups here")


@pytest.fixture
def truth(monkeypatch):
    """What /proc would say."""
    monkeypatch.setattr(startup, "own_truth", lambda **_: TRUTH)
    monkeypatch.setattr(startup.select, "epoll", closing_poll)


def closing_poll():
    """A poll that never waits."""
    return SimpleNamespace(register=lambda *_: None, poll=lambda _timeout: None, close=lambda: None)


INSTALLED = SimpleNamespace(canaries=dict.fromkeys(("open", "connect", "exec", "exit"), 1))


def own(kind, lane=Lane.COMMON, **values):
    """An event of the agent's own, as it should be read."""
    child = {"ppid": 4711, "pcomm": b"scout", "ancestors": ((4711, b"scout"), (9, b"sh"), (1, b"init")), "comm": b"canary"}
    mine = {"tgid": 4711, "tid": 4712, "comm": b"scout", "ancestors": ((9, b"sh"), (1, b"init")), "cmdline": b"scout\0"}
    return make_event(kind, **{"candidates": 1, "lane": lane, "uid": 0, **(child if kind == "exec" else mine), **values})


def every(*kinds):
    """What comes back of *kinds*; an exit has no candidates but those it is given here."""
    return [own(kind, lane) for kind in kinds for lane in Lane]


@pytest.mark.parametrize("kinds", [("open", "connect", "exec"), ("connect", "exec"), ("exec",), ("open",), ("connect",)])
def test_any_kind_proves_who_the_agent_is(truth, kinds):
    """Without the probe of opens, connects or execs do; the kernel is told the agent's id afterwards."""
    side = Side([every(*kinds)], seen=[one for one in ALL if one[0] not in kinds])
    assert side.prove(INSTALLED) == []
    assert (side.agent_tgid, side.configured, side.canaries.acts) == (4711, [4711], 1)


def test_what_came_meanwhile_is_handed_on(truth):
    """Frames that are no canary's, and those that cannot be read, are the agent's to handle."""
    other = make_event("open", candidates=2)
    side = Side([["damaged", other], every("open")], seen=[one for one in ALL if one[0] != "open"])
    assert side.prove(INSTALLED) == ["damaged", other]


@pytest.mark.parametrize("kind", ["open", "connect", "exec"])
def test_a_value_that_is_not_true_is_a_refusal_with_the_member(truth, kind):
    """Read through any kind's act, and at once: nobody waits for the rest."""
    side = Side([[own(kind, uid=38)]])
    with pytest.raises(OffsetsUnknown, match=r"cred\.uid") as caught:
        side.prove(INSTALLED)
    assert "x.json" in caught.value.hint
    assert side.configured == []


@pytest.mark.parametrize(("kind", "member"), [("open", "fdtable.fd"), ("connect", "socket.sk"), ("exec", "task_struct.comm")])
def test_a_kind_that_never_comes_back_is_a_refusal_with_its_members(truth, kind, member):
    """Its way through the kernel is not as believed; it was tried more than once."""
    side = Side([], seen=[one for one in ALL if one[0] != kind])
    with pytest.raises(OffsetsUnknown, match=member):
        side.prove(INSTALLED)
    assert side.canaries.acts == startup.CANARY_ROUNDS


def test_a_lane_that_never_comes_back_is_a_probe_error(truth):
    """The other lane shows that the offsets are right."""
    side = Side([[own("open", Lane.COMMON)]], seen=[one for one in ALL if one[0] != "open"])
    with pytest.raises(ProbeError, match="open/reserved"):
        side.prove(INSTALLED)


def test_a_lost_act_is_tried_again(truth):
    """What came of the first round counts; the second brings the rest."""
    side = Side([[own("open", Lane.COMMON)], [], [own("open", Lane.RESERVED)]], seen=[one for one in ALL if one[0] != "open"])
    take, rounds = side.stream.take, []

    def taken():
        frames = take()
        if frames == []:
            side._clock.advance(10**10)
            rounds.append(1)
        return frames

    side.stream.take = taken
    assert side.prove(INSTALLED) == []
    assert side.canaries.acts == 2


def test_a_busy_node_does_not_keep_the_wait_from_ending(truth):
    """Others act all the while; the wait is bounded by time, not by silence."""
    side = Side([])

    def busy():
        side._clock.advance(10**8)
        return (make_event("open", candidates=2),)

    side.stream.take = busy
    with pytest.raises(OffsetsUnknown):
        side.prove(INSTALLED)


# ---- what the loader could not load


class Session:
    """What was handed over."""

    def __init__(self, *failed):
        self.failed = dict.fromkeys(failed, "clang's words")
        self.closed = 0

    def close(self):
        self.closed += 1


def finished(session, monkeypatch, *, strict=False):
    """Finish a start with *session*."""
    start = Startup.__new__(Startup)
    start._config = KernelConfig(strict=strict)
    start._loader = SimpleNamespace(finish=lambda _timeout_s: session, stop=lambda: None)
    monkeypatch.setattr(startup, "KernelSide", lambda *_: "running")
    return start.finish(FakeClock(), lambda _count: None)


def test_a_missing_probe_is_no_refusal_unless_strict(monkeypatch):
    """With strict, everything is let go, and the words are told."""
    assert finished(Session("connect"), monkeypatch) == "running"
    session = Session("connect")
    with pytest.raises(ProbeError, match="probe connect: clang's words"):
        finished(session, monkeypatch, strict=True)
    assert session.closed == 1


@pytest.mark.parametrize("failed", [("open", "connect", "exec"), ("open", "connect", "exec", "exit")])
def test_without_a_probe_that_rules_are_about_there_is_nothing_to_run(monkeypatch, failed):
    """The ends of processes alone are nobody's rule."""
    session = Session(*failed)
    with pytest.raises(ProbeError):
        finished(session, monkeypatch)
    assert session.closed == 1


def test_a_kernel_side_that_cannot_be_made_lets_go_of_the_probes(monkeypatch):
    """No room for the canaries' folder, say."""
    session = Session()

    def full(*_):
        raise OSError("no space left")

    start = Startup.__new__(Startup)
    start._config = KernelConfig()
    start._loader = SimpleNamespace(finish=lambda _timeout_s: session)
    monkeypatch.setattr(startup, "KernelSide", full)
    with pytest.raises(OSError, match="no space"):
        start.finish(FakeClock(), lambda _count: None)
    assert session.closed == 1
