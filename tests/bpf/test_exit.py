# SPDX-License-Identifier: Apache-2.0
"""Ends of processes: told once, for those that were told of before; in both forms."""

from __future__ import annotations

import signal

import pytest

from sensor.events.common import FrameFlag
from tests.bpf.live import flags, opened


def ends(side, act) -> list:
    """The open and the ends that came of *act*."""
    side.drain()
    act()
    events = side.drain()
    ours = {event.tgid for event in events if event.kind_name == "open"}
    return [event for event in events if event.tgid in ours]


@pytest.fixture
def watched(side, name, tmp_path):
    """A file that is watched."""
    side.watch(opened(name))
    (tmp_path / name).write_text("")
    return tmp_path / name


def test_a_leader_that_ends_before_all_others_are_ended(side, driver, watched):
    """When the last thread ends everybody, its code is the process's, also if it is 0."""
    words = {}
    _, last = ends(side, lambda: words.update(driver("leader-exits", 9, "open", watched, 0, 0, "exit", 0)))
    assert last.exit_code >> 8 == int(words["status"]) == 0


@pytest.mark.parametrize("code", [0, 7, 255])
def test_a_process_that_was_seen_ends(side, driver, watched, code):
    """Its end is told with the code that wait(2) gives, under the same id and start."""
    first, last = ends(side, lambda: driver("open", watched, 0, 0, "exit", code))
    assert (first.kind_name, last.kind_name) == ("open", "exit")
    assert last.exit_code == code << 8
    assert flags(last) == FrameFlag.BOOKKEEPING
    same = ["tgid", "tid", "ppid", "start_ns", "comm", "pcomm", "cgroup_id", "uid", "euid", "gid", "egid", "sid", "ns_tgid"]
    same += ["mnt_ns", "net_ns", "pid_ns", "user_ns"]
    assert {name: getattr(last, name) for name in same} == {name: getattr(first, name) for name in same}
    assert last.ts_ns > first.ts_ns


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_is_killed(side, driver, watched, number):
    """The signal is told where wait(2) has it; a core dump's bit may be set."""
    _, last = ends(side, lambda: driver("open", watched, 0, 0, "kill", int(number)))
    assert last.exit_code & 0x7F == number


def test_others_ends_are_not_told(side, driver, watched):
    """A process that nothing was told of ends without a word."""
    side.drain()
    driver("open", "/proc/self/comm", 0, 0, "exit", 3)
    assert [event for event in side.drain() if event.kind_name == "exit" and event.exit_code == 3 << 8 and event.comm == b"act"] == []
    assert watched.exists()


def test_a_leader_that_ends_first(side, driver, watched):
    """The process ends once, when its last thread does, with the code that its parent hears (since 5.17 the last thread's)."""
    words = {}
    first, last = ends(side, lambda: words.update(driver("leader-exits", 9, "open", watched, 0, 0)))
    assert (first.kind_name, last.kind_name) == ("open", "exit")
    assert first.comm == last.comm == b"act"
    assert last.exit_code >> 8 == int(words["status"])


def test_threads_that_end_are_no_process(side, driver, watched):
    """A thread's open, and the end of all together, make one end."""
    events = ends(side, lambda: driver("thread", "open", watched, 0, 0, "exit", 4))
    assert [event.kind_name for event in events] == ["open", "exit"]
    assert events[1].exit_code == 4 << 8
