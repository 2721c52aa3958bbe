# SPDX-License-Identifier: Apache-2.0
"""Who acted: every field about the process, against what the process and /proc say."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.probes.proof import own_truth
from tests.bpf.live import describe, flags, numbers, opened

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
NS_PER_TICK = 10_000_000


@pytest.fixture
def watched(side, name):
    """A file that is watched by its name, where every user can reach it."""
    side.watch(opened(name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.chmod(0o755)
        path.write_text("content")
        yield path


def proc(pid: int) -> dict[str, object]:
    """What /proc says of a process that waits."""
    base = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (base / "status").read_text().splitlines() if ":\t" in line)
    stat = (base / "stat").read_text().rpartition(")")[2].split()
    return {
        "comm": (base / "comm").read_bytes().rstrip(b"\n"),
        "cmdline": (base / "cmdline").read_bytes(),
        "exe_path": os.fsencode((base / "exe").readlink()),
        "cwd": os.fsencode((base / "cwd").readlink()),
        "cap_effective": int(status["CapEff"], 16),
        "cap_permitted": int(status["CapPrm"], 16),
        "ns_tgid": int(status["NStgid"].split()[-1]),
        "loginuid": int((base / "loginuid").read_text()) if (base / "loginuid").exists() else 0xFFFFFFFF,
        "start_ticks": int(stat[19]),
        "session": int(stat[3]),
        "terminal": int(stat[4]),
    }


def spaces(words: dict[str, str]) -> dict[str, int]:
    """Namespace inode numbers as the process saw them."""
    return {f"{name}_ns": int(words[f"ns_{name}"].partition("[")[2].rstrip("]")) for name in ("mnt", "pid", "net", "user")}


def check(event, truth: dict[str, object]) -> None:
    """Every value of *truth* is the event's."""
    wrong = {key: (getattr(event, key), value) for key, value in truth.items() if getattr(event, key) != value}
    assert wrong == {}, describe(event)


def test_every_field_about_an_ordinary_process(side, driver, name, watched):
    """Ids, names, places, times, namespaces, capabilities, the cgroup: nothing is guessed."""
    cgroup_id, cgroup_path = side.kernel.own_cgroup()
    before_ns = side.kernel.canaries.seen["open", 0]
    with driver.waiting("comm", name, "truth", "wait", "open", watched, os.O_RDONLY, 0) as process:
        truth = proc(int(process.words["ready"]))
        event = side.one(process.finish, "open")
        pid, tid, ppid, sid = numbers(process.words, "pid", "tid", "ppid", "sid")
    assert flags(event) == FrameFlag(0)
    assert event.start_ns // NS_PER_TICK == truth.pop("start_ticks")
    assert event.sid == truth.pop("session") == sid
    truth.pop("terminal")
    assert ppid == os.getpid()
    mine = own_truth().values
    expected = truth | spaces(process.words) | {"tgid": pid, "tid": tid, "ppid": ppid, "pcomm": Path("/proc/self/comm").read_bytes().rstrip(b"\n")}
    expected |= {"uid": 0, "euid": 0, "gid": 0, "egid": 0, "cgroup_id": cgroup_id, "cgroup_path": cgroup_path, "profile": Profile.HOST}
    expected |= {"kind": 3, "generation": side.installed.number, "candidates": 1, "lane": 0}
    expected |= {"ancestors": ((os.getpid(), mine["comm"]), *mine["ancestors"])[:8], "ancestors_count": min(8, 1 + len(mine["ancestors"]))}
    check(event, expected)
    assert event.comm == name.encode()
    assert event.ts_ns > before_ns
    assert event.frame_bytes >= 264


@pytest.mark.parametrize("depth", [3, 8, 12])
def test_ancestors(side, driver, watched, depth):
    """A chain of forks is told with the names that each link has, nearest first, eight at most."""
    chain = [word for level in range(depth) for word in ("comm", f"link{level:02d}", "fork")]
    event = side.one(lambda: driver(*chain, "comm", "the-last", "open", watched, 0, 0), "open")
    names = [name for _, name in event.ancestors]
    assert event.comm == b"the-last"
    assert event.pcomm == names[0]
    assert event.ppid == event.ancestors[0][0]
    assert names[: min(8, depth)] == [f"link{level:02d}".encode() for level in reversed(range(depth))][:8]
    assert event.ancestors_count == len(names) <= 8
    if depth < 8:
        assert event.ancestors[depth] == (os.getpid(), Path("/proc/self/comm").read_bytes().rstrip(b"\n"))


def test_a_parent_is_known_by_what_proc_shows_of_it(side, driver, watched):
    """Start, the place of the arguments and the image's file: the same in the frame and in /proc."""
    event = side.one(lambda: driver("open", watched, 0, 0), "open")
    mine = event.lineage[0]
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    image = Path("/proc/self/exe").stat()
    assert mine.start_ns // NS_PER_TICK == int(stat[19])
    assert mine.arg_start == int(stat[45])
    assert mine.tgid == os.getpid()
    assert mine.exe_inode == image.st_ino
    assert mine.exe_dev == os.major(image.st_dev) << 20 | os.minor(image.st_dev)


def test_the_process_group_in_both_namespaces(side, driver, watched):
    """It is the leader's number; in a PID namespace of its own a group from outside has none."""
    event = side.one(lambda: driver("open", watched, 0, 0), "open")
    assert event.pgid == event.ns_pgid == os.getpgid(0)
    inside = side.one(lambda: driver("unshare", CLONE_NEWPID, "fork", "open", watched, 0, 0), "open")
    assert (inside.pgid, inside.ns_tgid, inside.ns_pgid) == (os.getpgid(0), 1, 0)


def test_user_and_group_ids_are_not_mixed_up(side, driver, watched):
    """Four different numbers come out as four different numbers, and the capabilities that went with root are gone."""
    with driver.waiting("gid", 2001, 2002, 2003, "uid", 1001, 1002, 1003, "truth", "wait", "open", watched, 0, 0) as process:
        truth = proc(int(process.words["ready"]))
        event = side.one(process.finish, "open")
    assert (event.uid, event.euid, event.gid, event.egid) == (1001, 1002, 2001, 2002)
    assert (event.uid, event.euid, event.gid, event.egid) == numbers(process.words, "uid", "euid", "gid", "egid")
    assert event.cap_effective == truth["cap_effective"] == 0
    assert event.cap_permitted == truth["cap_permitted"]


def test_permitted_and_effective_capabilities_differ(side, driver, watched):
    """An effective id that is not root's leaves the permitted set and takes the effective one."""
    with driver.waiting("uid", 0, 1002, 0, "wait", "open", watched, 0, 0) as process:
        truth = proc(int(process.words["ready"]))
        event = side.one(process.finish, "open")
    assert event.cap_effective == truth["cap_effective"] == 0
    assert event.cap_permitted == truth["cap_permitted"] != 0


def test_the_login_uid_is_the_one_that_was_set(side, driver, watched):
    """It is a field of its own, not the user's id."""
    if not Path("/proc/self/loginuid").exists():
        pytest.skip(reason="this kernel has no audit")
    event = side.one(lambda: driver("put", "/proc/self/loginuid", "4242", "open", watched, 0, 0), "open")
    assert event.loginuid in {4242, int(Path("/proc/self/loginuid").read_text())}
    with driver.waiting("put", "/proc/self/loginuid", "4242", "wait", "open", watched, 0, 0) as process:
        truth = proc(int(process.words["ready"]))
        event = side.one(process.finish, "open")
    assert event.loginuid == truth["loginuid"]


def test_the_controlling_terminal(side, driver, watched):
    """A pty's slave is told by its numbers, with the session it leads."""
    with driver.waiting("fork", "terminal", "truth", "wait", "open", watched, 0, 0) as process:
        truth = proc(int(process.words["ready"]))
        event = side.one(process.finish, "open")
    major, minor = (int(part) for part in process.words["tty"].split(":"))
    assert event.tty_dev == major << 20 | minor
    assert truth["terminal"] == major << 8 | minor
    assert event.sid == event.tgid == int(process.words["sid"])


def test_new_namespaces(side, driver, watched):
    """Mount, PID, network and user namespaces are the process's own, and so is its id in there; ours stays the host's."""
    flags_ = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET
    with driver.waiting("unshare", flags_, "private", "fork", "truth", "wait", "open", watched, 0, 0) as process:
        event = side.one(process.finish, "open")
    assert process.words["unshare"] == "0"
    check(event, spaces(process.words))
    assert event.ns_tgid == int(process.words["pid"]) == 1
    assert event.tgid != 1
    assert event.ppid == process.process.pid == event.ancestors[0][0]
    host = spaces({f"ns_{name}": str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "pid", "net", "user")})
    assert all(getattr(event, key) != value for key, value in host.items() if key != "user_ns")


def test_a_new_user_namespace(side, driver, watched):
    """Ids are the initial namespace's, not those that the process sees of itself."""
    event = side.one(lambda: driver("uid", 1001, 1001, 1001, "unshare", CLONE_NEWUSER, "truth", "open", watched, 0, 0), "open")
    own = spaces({f"ns_{name}": str(Path(f"/proc/self/ns/{name}").readlink()) for name in ("mnt", "pid", "net", "user")})
    assert event.user_ns != own["user_ns"]
    assert event.uid == 1001
    assert event.cap_effective != 0


def test_the_cgroup_is_told_by_id_and_path(side, driver, watched, make_cgroup):
    """A process in a nested cgroup is told with that cgroup's own path; a known one above it makes it a container's."""
    outer = make_cgroup("outer")
    inner = make_cgroup("inner", below=outer)
    deepest = make_cgroup("deepest with a blank", below=inner)
    event = side.one(lambda: driver("put", outer.procs, "0", "open", watched, 0, 0), "open")
    check(event, {"cgroup_id": outer.id, "cgroup_path": outer.name, "profile": Profile.UNKNOWN})
    assert event.flags & FrameFlag.WORKLOAD_UNKNOWN
    side.kernel.session.set_profile(outer.id, Profile.CONTAINER)
    event = side.one(lambda: driver("put", outer.procs, "0", "open", watched, 0, 0), "open")
    check(event, {"cgroup_id": outer.id, "cgroup_path": outer.name, "profile": Profile.CONTAINER})
    assert not event.flags & FrameFlag.WORKLOAD_UNKNOWN
    for nested in (inner, deepest):
        event = side.one(lambda nested=nested: driver("put", nested.procs, "0", "open", watched, 0, 0), "open")
        check(event, {"cgroup_path": nested.name, "profile": Profile.CONTAINER})


def test_below_a_host_cgroup_everything_is_possible(side, driver, watched, make_cgroup):
    """A cgroup that nobody told of stays unknown under one of the host's: every pod's parents are the host's."""
    outer = make_cgroup("outer")
    side.kernel.session.set_profile(outer.id, Profile.HOST)
    inner = make_cgroup("inner", below=outer)
    event = side.one(lambda: driver("put", inner.procs, "0", "open", watched, 0, 0), "open")
    check(event, {"profile": Profile.UNKNOWN, "cgroup_path": inner.name, "cgroup_id": inner.id})


def test_a_thread_acts_for_its_process(side, driver, watched, name):
    """The thread's id is its own; name, start and process id are the group leader's, whatever the thread calls itself."""
    event = side.one(lambda: driver("comm", name, "truth", "thread", "comm", "a-thread", "open", watched, 0, 0), "open")
    assert event.comm == name.encode()
    assert event.tid != event.tgid


def test_a_childs_parent_is_the_process_that_forked(side, driver, watched, name):
    """A process forked by a thread has the thread's group leader as its parent, by id and by name."""
    with driver.waiting("comm", name, "truth", "thread", "comm", "a-thread", "fork", "wait", "open", watched, 0, 0) as process:
        event = side.one(process.finish, "open")
    assert event.pcomm == name.encode()
    assert event.ppid == int(process.words["pid"])
    assert event.ancestors[0] == (event.ppid, name.encode())


def test_the_working_directory_and_the_root(side, driver, watched, tmp_path):
    """A working directory is told from the mount namespace's root, also in a chroot."""
    inside = tmp_path / "root" / "deep" / "er"
    inside.mkdir(parents=True)
    (inside / watched.name).write_text("x")
    event = side.one(lambda: driver("chroot", tmp_path / "root", "cd", "/deep/er", "open", watched.name, 0, 0), "open")
    assert event.cwd == os.fsencode(inside)
    assert event.path == os.fsencode(inside / watched.name)
    assert event.asked == watched.name.encode()
    assert event.dirfd == -100


def test_a_deleted_program_says_so_in_every_event(side, driver, watched, tmp_path):
    """An act of a process whose program has no name any more is marked, with the path that it had."""
    copy = tmp_path / "copy"
    copy.write_bytes(driver.path.read_bytes())
    copy.chmod(0o755)
    event = side.one(lambda: driver("exec", copy, "copy", "unlink", copy, "open", watched, 0, 0), "open")
    assert event.exe_path == os.fsencode(copy)
    assert flags(event) == FrameFlag.EXE_DELETED
