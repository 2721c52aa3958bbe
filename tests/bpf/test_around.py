# SPDX-License-Identifier: Apache-2.0
"""What is asked of the machine about an act that the kernel told of: ancestors' programs, users' names. Real processes, both forms."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor.core.clock import RealClock
from sensor.core.counters import Count, Counters
from sensor.events.dimensions import Dimension, Outcome, Profile
from sensor.rulelang import fields
from sensor.rulelang.values import UNKNOWN
from sensor.workloads.around import LiveAround
from tests.bpf.live import clause, is_, opened
from tests.unit.events_factory import make_workload

CLONE_NEWUSER = 0x10000000
LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
TRIES = 200


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def around(counters):
    """This machine's."""
    made = LiveAround(counters, RealClock())
    yield made
    made.close()


@pytest.fixture
def watched(side, name):
    """A file that is watched by its name, where every user can reach it."""
    side.watch(opened(name))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / name).write_text("")
        yield Path(folder) / name


@pytest.fixture
def value(around):
    """What a field is for an event that the machine is asked about."""

    def read(event, field: str, index: int | None = None):
        event.around = around
        if not hasattr(event, "workload"):
            event.workload = make_workload(Profile.HOST)
        spec = fields.FIELDS[field]
        return (spec.get if index is None else spec.indexed(index))(event)

    return read


@contextmanager
def parent(*command: object):
    """A program that acts, says so in a line, and waits for its input's end."""
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def until_line(process, line: str = "acted") -> None:
    """Let it begin, and read what it says up to *line*."""
    process.stdin.write("\n")
    process.stdin.flush()
    while (said := process.stdout.readline()) and said.strip() != line:
        pass
    assert said, "it ended"


def script(driver, file: Path, rest: str = "read line") -> str:
    """Shell text that waits for a word, opens *file* by the driver, says so, and does *rest*."""
    return f"read go; {shlex.quote(str(driver.path))} open {shlex.quote(str(file))} 0 0; echo acted; {rest}"


def test_a_parent_that_lives(side, driver, watched, value):
    """Its arguments and its program, and so of the parent's parent: this process."""
    text = script(driver, watched)
    with parent("/bin/sh", "-c", text) as shell:
        event = side.one(lambda: until_line(shell), "open")
        assert event.ppid == shell.pid
        assert value(event, "proc.pcmdline") == f"sh -c {text}".encode()
        assert value(event, "proc.pexe") == b"/bin/sh"
        assert value(event, "proc.pexepath") == os.fsencode(os.path.realpath("/bin/sh"))
        assert value(event, "proc.aexepath", 2) == os.fsencode(os.path.realpath("/proc/self/exe"))
        assert value(event, "proc.acmdline", 2).split(b" ", 1)[1] == b" ".join(Path("/proc/self/cmdline").read_bytes()[:2048].rstrip(b"\0").split(b"\0")[1:])


def test_a_parent_that_is_a_script(side, driver, watched, value, tmp_path):
    """Its name is the script's, its program and arguments are the interpreter's."""
    place = tmp_path / "act.sh"
    place.write_text("#!/bin/sh\n" + script(driver, watched) + "\n")
    place.chmod(0o755)
    with parent(place, "one") as shell:
        event = side.one(lambda: until_line(shell), "open")
        assert value(event, "proc.pname") == b"act.sh"
        assert value(event, "proc.pcmdline") == f"act.sh {place} one".encode()
        assert value(event, "proc.pexepath") == os.fsencode(os.path.realpath("/bin/sh"))


def test_a_parent_that_ran_something_else_since(side, driver, watched, value, counters):
    """Even when that is the same program: what it runs now is not what it ran then."""
    with parent("/bin/sh", "-c", script(driver, watched, "exec /bin/sh -c 'echo again; read line'")) as shell:
        event = side.one(lambda: until_line(shell, "again"), "open")
        assert value(event, "proc.pcmdline") is value(event, "proc.pexepath") is value(event, "proc.aexepath") is UNKNOWN
        assert value(event, "proc.pname") == b"sh"
        assert counters.value(Count.PROCESSES_NOT_PROVED) >= 1


def test_a_parent_that_ended(side, driver, watched, value):
    """Nobody can say any more."""
    event = side.one(lambda: subprocess.run(["/bin/sh", "-c", script(driver, watched, "exit 0")], input=b"\n", check=True, capture_output=True), "open")
    assert value(event, "proc.pcmdline") is value(event, "proc.pexepath") is UNKNOWN


@pytest.mark.skipif(not LAST_PID.exists(), reason="a kernel without CONFIG_CHECKPOINT_RESTORE")
def test_a_number_that_is_used_again(side, driver, watched, value):
    """The process of that number now was nobody's parent."""
    event = side.one(lambda: subprocess.run(["/bin/sh", "-c", script(driver, watched, "exit 0")], input=b"\n", check=True, capture_output=True), "open")
    for _ in range(TRIES):  # others start processes, too
        LAST_PID.write_text(str(event.ppid - 1))
        with parent("/bin/sh", "-c", "read go; echo acted; read line") as other:
            if other.pid != event.ppid:
                continue
            until_line(other)
            assert Path(f"/proc/{event.ppid}/comm").read_text() == "sh\n"
            assert value(event, "proc.pcmdline") is value(event, "proc.pexepath") is UNKNOWN
            return
    pytest.fail(f"process {event.ppid} could not be had again")


def test_a_parent_that_ended_and_whose_exec_was_told(side, driver, watched, value, around):
    """The exec's frame and the open's have the same marks: nobody has to look."""
    place = watched.parent / f"p{watched.name[:12]}"
    place.write_text("#!/bin/sh\n" + script(driver, watched, "exit 0") + "\n")
    place.chmod(0o755)
    side.watch(opened(watched.name), clause("exec", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.COMM, place.name.encode())))
    ran, event = side.after(lambda: subprocess.run([place, "one"], input=b"\n", check=True, capture_output=True))
    assert (ran.kind_name, event.kind_name) == ("exec", "open")
    around.processes.learn(ran)
    assert value(event, "proc.pcmdline") == f"{place.name} {place} one".encode()
    assert value(event, "proc.pexepath") == os.fsencode(os.path.realpath("/bin/sh"))
    assert (event.lineage[0].exe_inode, event.lineage[0].arg_start) == (ran.exe_inode, ran.arg_start)


@pytest.mark.parametrize("lower", ["same", "another"])
def test_a_program_in_an_image_of_layers(side, driver, watched, value, lower):
    """An overlay as containers have it; where its layers lie on different file systems its files have other numbers, and nothing is told."""
    base = watched.parent / "base"
    layers = f"mount -t tmpfs none {base}/lower" if lower == "another" else ":"
    make = f"mkdir {base}/upper {base}/work {base}/root; {layers}; mkdir {base}/lower/bin; cp /bin/sh {base}/lower/bin/sh"
    mount = f"mount -t overlay none -o lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work {base}/root"
    (base / "lower").mkdir(parents=True)
    act = f"exec {base}/root/bin/sh -c {shlex.quote(script(driver, watched))}"
    with parent("/usr/bin/unshare", "-m", "/bin/sh", "-c", f"set -e; mount -t tmpfs none {base} && mkdir {base}/lower; {make}; {mount}; {act}") as shell:
        event = side.one(lambda: until_line(shell), "open")
        event.workload = make_workload(Profile.CONTAINER)
        assert value(event, "proc.pname") == b"sh"
        assert value(event, "proc.pexe") == os.fsencode(base / "root/bin/sh")
        assert value(event, "proc.pexepath") in ([os.fsencode(base / "root/bin/sh")] if lower == "same" else [UNKNOWN])


def test_who_leads_the_session_and_the_group(side, driver, watched, value):
    """The shell that began them, or a process that left it for a session of its own."""
    with parent("/usr/bin/setsid", "/bin/sh", "-c", script(driver, watched)) as shell:
        event = side.one(lambda: until_line(shell), "open")
        assert (value(event, "proc.sname"), value(event, "proc.pgid.name"), value(event, "proc.vpgid.name")) == (b"sh", b"sh", b"sh")
        assert value(event, "proc.sid.exepath") == os.fsencode(os.path.realpath("/bin/sh"))
        assert not value(event, "proc.is_vpgid_leader")
    event = side.one(lambda: driver("setsid", "fork", "fork", "open", watched, 0, 0), "open")
    assert value(event, "proc.sname") == b"act"


def in_container(event):
    """*event* as one of a container's."""
    event.workload = make_workload(Profile.CONTAINER)
    return event


@pytest.fixture
def image(watched) -> Path:
    """A root in which the watched file is, and users."""
    (watched.parent / "etc").mkdir()
    (watched.parent / "etc/passwd").write_text("boss:x:0:0::/boss:/bin/sh\nseven:x:7:7::/:/bin/sh\n")
    (watched.parent / "etc/group").write_text("crew:x:0:\n")
    return watched.parent


def opened_by(side, process):
    """The open that a waiting driver has done."""
    return next(one for one in side.drain() if one.kind_name == "open" and one.tgid == int(process.words["ready"]))


@pytest.fixture
def inside(side, driver, image, watched):
    """An open by a process that lives in the image, as a container's."""

    @contextmanager
    def act():
        with driver.waiting("chroot", image, "open", f"/{watched.name}", 0, 0, "wait") as process:
            yield in_container(opened_by(side, process))

    return act


def test_names_are_those_of_the_processes_root(inside, value):
    """Root of this image is called boss, whatever the host calls it; the host's own processes have the host's names."""
    with inside() as event:
        assert value(event, "user.name") == b"boss"
        assert value(event, "user.homedir") == b"/boss"
        assert value(event, "group.name") == b"crew"
        event.workload = make_workload(Profile.HOST)
        assert value(event, "user.name") == b"root"
        event.workload = make_workload(Profile.UNKNOWN)
        assert value(event, "user.name") is UNKNOWN


def test_numbers_are_those_of_the_processes_user_namespace(side, driver, image, watched, value):
    """User 7 of the namespace is called seven, whichever user of the host that is."""
    with driver.waiting("uid", 1007, 1007, 1007, "unshare", CLONE_NEWUSER, "wait", "chroot", image, "open", f"/{watched.name}", 0, 0, "wait") as process:
        Path(f"/proc/{process.words['ready']}/uid_map").write_text("7 1007 1\n")
        process.go()
        process.read()
        event = opened_by(side, process)
        assert event.euid == 1007
        assert value(in_container(event), "user.name") == b"seven"


@pytest.mark.parametrize("form", ["a link to the host's", "a pipe", "a gigabyte", "a folder that is a link", "a device"])
def test_a_hostile_file_of_users_is_not_read(inside, image, value, form):
    """What the container put there neither leads out of it nor holds anything up."""
    passwd = image / "etc/passwd"
    passwd.unlink()
    if form == "a link to the host's":
        passwd.symlink_to("/etc/passwd")
    elif form == "a pipe":
        os.mkfifo(passwd)
    elif form == "a gigabyte":
        passwd.touch()
        os.truncate(passwd, 1 << 30)
    elif form == "a device":
        os.mknod(passwd, 0o20666, os.makedev(1, 5))  # zero
    else:
        (image / "etc/group").unlink()
        (image / "etc").rmdir()
        (image / "etc").symlink_to("/proc/1/root/etc")
    with inside() as event:
        assert value(event, "user.name") is UNKNOWN
