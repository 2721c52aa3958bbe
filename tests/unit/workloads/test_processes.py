# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.core.counters import Count, Counters
from sensor.core.privileges import INITIAL_USER_NS
from sensor.events.common import FrameFlag
from sensor.events.decode import Ancestor
from sensor.workloads.processes import NOT_PROVED, NS_PER_TICK, ProcessTable, is_started, read_image
from tests.unit.events_factory import make_ancestor, make_event


class FakeAside:
    """Does at once what an `Aside` does in its thread."""

    def __init__(self):
        self.asked = 0

    def ask(self, work):
        self.asked += 1
        try:
            return work()
        except (OSError, ValueError):
            return None


def told(pid: int, comm: bytes = b"python") -> Ancestor:
    """What a frame would tell of a living process, by /proc."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    image = Path(f"/proc/{pid}/exe").stat()
    device = os.major(image.st_dev) << 20 | os.minor(image.st_dev)
    return Ancestor(int(stat[19]) * NS_PER_TICK + 5, int(stat[45]), image.st_ino, pid, device, comm)


@pytest.fixture
def me() -> Ancestor:
    return told(os.getpid())


@pytest.fixture
def child():
    """A child that waits, given the program and arguments it runs."""
    children = []

    def start(*command, **more):
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more))
        return children[-1]

    yield start
    for one in children:
        one.stdin.close()
        one.wait()
        one.stdout.close()


def test_a_living_process_is_read(me):
    """Path, arguments and user namespace are those that /proc has."""
    image = read_image(me)
    assert image.exe_path == os.fsencode(Path("/proc/self/exe").readlink())
    assert image.cmdline == Path("/proc/self/cmdline").read_bytes()[:2048]
    assert image.user_ns == int(str(Path("/proc/self/ns/user").readlink())[6:-1])
    assert image.user_ns in (INITIAL_USER_NS, image.user_ns)


@pytest.mark.parametrize("change", [{"start_ns": NS_PER_TICK}, {"arg_start": 16}])
def test_another_process_of_the_number_and_another_image_are_not_it(me, change):
    """A start that is not the frame's is a number used again, another place of the arguments an exec since."""
    assert read_image(me._replace(**{name: getattr(me, name) + by for name, by in change.items()})) is NOT_PROVED


@pytest.mark.parametrize("change", [{"exe_inode": 1}, {"exe_dev": 1}, {"exe_dev": None}])
def test_a_path_is_told_of_the_frames_file_only(me, change):
    """Where the file's numbers are not the frame's, or the frame has none, the arguments alone are told."""
    values = {name: getattr(me, name) + by if by else 0 for name, by in change.items()}
    image = read_image(me._replace(**values))
    assert image.exe_path is None
    assert image.cmdline


def test_an_exec_is_noticed(child):
    """The same process, the same program even, run anew: what the frame was about is not there any more."""
    process = child(
        sys.executable, "-c", f"import os; print(flush=True); input(); os.execv({sys.executable!r}, ['python', '-c', 'print(flush=True); input()'])"
    )
    process.stdout.readline()
    before = told(process.pid)
    assert read_image(before).cmdline.startswith(sys.executable.encode())
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    assert read_image(before) is NOT_PROVED
    assert read_image(told(process.pid)).cmdline.startswith(b"python\0")


def test_an_executable_that_was_removed_keeps_its_path(child, tmp_path):
    """The mark that the kernel puts behind the path is not part of it; a file that is really called so is not known."""
    program = tmp_path / "cat"
    odd = tmp_path / "cat (deleted)"
    for place in (program, odd):
        shutil.copy("/bin/cat", place)
    removed, called_so = child(program), child(odd)
    for process in (removed, called_so):
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
    program.unlink()
    assert read_image(told(removed.pid)).exe_path == os.fsencode(program)
    assert read_image(told(called_so.pid)).exe_path is None


def test_a_process_that_ended_raises():
    """There is nothing to be read."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    with pytest.raises(OSError, match="No such"):
        read_image(Ancestor(1, 1, 1, process.pid, 1, b"true"))
    with pytest.raises(OSError, match="No such"):
        is_started(f"/proc/{process.pid}", 1)


def test_the_start_tells_processes_apart(me):
    """To the tick, which is what /proc has."""
    assert is_started("/proc/self", me.start_ns)
    assert not is_started("/proc/self", me.start_ns + NS_PER_TICK)


@pytest.fixture
def table():
    counters, aside = Counters(), FakeAside()
    return ProcessTable(counters, aside, max_processes=2), counters, aside


def test_what_was_read_is_kept_while_the_image_is_the_same(me, table):
    """One reading answers for all frames with the same marks; other marks are another image, of which nothing is known from before."""
    processes, counters, aside = table
    first = processes.image(me)
    assert processes.image(me) is first
    assert aside.asked == 1
    assert processes.image(me._replace(arg_start=me.arg_start + 16)) == (None, None, 0)
    assert counters.value(Count.PROCESSES_NOT_PROVED) == 1
    assert processes.image(me) is first
    assert aside.asked == 2


def test_one_that_could_not_be_read_may_be_asked_for_again(table):
    """It has ended, or the reading hung: nothing is remembered of that."""
    processes, counters, aside = table
    for _ in range(2):
        assert processes.image(make_ancestor(2**22 + 1)) is NOT_PROVED
    assert (aside.asked, len(processes), counters.value(Count.PROCESSES_NOT_PROVED)) == (2, 0, 2)


def ran(one, **overrides):
    """The exec that made *one* what it is."""
    marks = {"tgid": one.tgid, "start_ns": one.start_ns, "arg_start": one.arg_start, "exe_inode": one.exe_inode, "exe_dev": one.exe_dev}
    return make_event("exec", **marks | {"exe_path": b"/bin/sh", "cmdline": b"sh\0-c\0", "user_ns": 7} | overrides)


def test_an_exec_tells_what_an_ancestor_runs(table):
    """For all frames with its marks, without a look at /proc; another exec since then is another image."""
    processes, _counters, aside = table
    one = make_ancestor(2**22 + 1)
    processes.learn(ran(one))
    assert processes.image(one) == (b"/bin/sh", b"sh\0-c\0", 7)
    assert aside.asked == 0
    assert processes.image(one._replace(arg_start=5)) == (None, None, 0)


def test_what_an_exec_does_not_tell_whole_is_not_known(table):
    """A path that lost its front, arguments that could not be read."""
    processes, _counters, _aside = table
    one = make_ancestor(2**22 + 1)
    processes.learn(ran(one, flags=int(FrameFlag.EXE_CUT | FrameFlag.CMDLINE_FAULTED)))
    assert processes.image(one) == (None, None, 7)


def test_without_a_reader_only_execs_tell():
    """A replay: this machine's processes are not those of the recording."""
    processes = ProcessTable(Counters(), None)
    one = told(os.getpid())
    assert processes.image(one) == (None, None, 0)
    processes.learn(ran(one))
    assert processes.image(one).exe_path == b"/bin/sh"


def test_a_thread_of_the_kernels_is_not_read(me, table):
    """It has no arguments and no file."""
    processes, _counters, aside = table
    assert processes.image(me._replace(arg_start=0)) == (None, None, 0)
    assert aside.asked == 0


def test_the_table_is_bounded_and_what_ended_makes_room_first(me, table):
    """The process not asked for for longest goes and is counted; one that ended goes before it, and is missed by nobody."""
    processes, counters, _aside = table
    for pid in (1, 2, 1, 3):
        processes.learn(ran(me._replace(tgid=pid)))
        processes.image(me._replace(tgid=pid))
    assert len(processes) == 2
    assert counters.value(Count.PROCESSES_EVICTED) == 1
    processes.gone(3, me.start_ns)
    processes.gone(4, me.start_ns)
    assert processes.image(me._replace(tgid=3)).exe_path == b"/bin/sh"
    processes.learn(ran(me._replace(tgid=5)))
    assert processes.image(me._replace(tgid=1)).exe_path == processes.image(me._replace(tgid=5)).exe_path == b"/bin/sh"
    assert counters.value(Count.PROCESSES_EVICTED) == 1
    assert len(processes) == 2
