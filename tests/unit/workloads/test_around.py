# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.core.clock import FakeClock
from sensor.core.counters import Counters
from sensor.workloads.accounts import GROUPS, USERS, read_name
from sensor.workloads.around import LiveAround, RecordedAround
from tests.unit.events_factory import make_ancestor, make_event
from tests.unit.workloads.test_processes import told


@pytest.fixture
def around():
    made = LiveAround(Counters(), FakeClock(5_000_000_000, wall_offset_ns=10**18, boottime_offset_ns=2_000_400_000))
    yield made
    made.close()


def test_ancestors_and_names_are_asked_of_this_machine(around):
    """By the thread that may be held up."""
    assert around.image(told(os.getpid())).exe_path == os.fsencode(Path("/proc/self/exe").readlink())
    event = make_event("open", mnt_ns=int(str(Path("/proc/self/ns/mnt").readlink())[5:-1]))
    assert around.user(event, 0) == read_name("/", USERS, 0)
    assert around.group(event, 0) == read_name("/", GROUPS, 0)


def test_a_replay_has_what_execs_told():
    """And asks nobody."""
    recorded, one = RecordedAround(Counters()), make_ancestor(5)
    assert recorded.image(one) == (None, None, 0)
    marks = {"start_ns": one.start_ns, "arg_start": one.arg_start, "exe_inode": one.exe_inode, "exe_dev": one.exe_dev}
    recorded.processes.learn(make_event("exec", tgid=5, exe_path="/bin/sh", **marks))
    assert recorded.image(one).exe_path == b"/bin/sh"
    assert recorded.user(make_event("open"), 0) is None


def test_a_start_becomes_wall_time(around):
    """Starts count the time that the machine was suspended, to the millisecond."""
    assert around.born_ns(3_000_000_000) == 10**18 + 1_000_000_000
