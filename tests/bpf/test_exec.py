# SPDX-License-Identifier: Apache-2.0
"""Execs: the image that runs, what was asked, the arguments; failures with their reason; in both forms."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Constraint, Dimension, Outcome
from tests.bpf.live import clause, describe, exactly, flags, is_, not_


@pytest.fixture
def program(driver, name, tmp_path) -> Path:
    """The driver under a name of its own, 14 characters."""
    path = tmp_path.resolve() / name
    shutil.copy(driver.path, path)
    return path


@pytest.fixture
def ran(side, name):
    """Execs that worked, of images called *name*."""
    side.watch(clause("exec", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.LEAF, name.encode())))


def refused(name: str, *more) -> object:
    """Execs that failed, by processes called *name*."""
    return clause("exec", is_(Dimension.OUTCOME, Outcome.FAILED), is_(Dimension.COMM, name.encode()), *more)


def check(event, **expected) -> None:
    """The event's values, its flags among them."""
    expected.setdefault("flags", FrameFlag(0))
    found = {key: flags(event) if key == "flags" else getattr(event, key) for key in expected}
    assert found == expected, describe(event)


def arguments(*words: str | bytes | Path) -> bytes:
    """A command line as the kernel keeps it."""
    return b"".join(os.fsencode(word) + b"\0" for word in words)


@pytest.mark.usefixtures("ran")
def test_every_field_of_an_exec(side, driver, name, program):
    """Image, what was asked, the exact arguments, the new name, the old parent."""
    events = side.after(lambda: driver("truth", "exec", program, "arg zero", "ignore", "", "last"), kind="exec")
    assert len(events) == 1
    (event,) = events
    check(
        event,
        ret=0,
        asked=os.fsencode(program),
        exe_path=os.fsencode(program),
        comm=name.encode(),
        cmdline=arguments("arg zero", "ignore", "", "last"),
        interpreter=b"",
        fs_path=b"",
        ppid=os.getpid(),
        pcomm=Path("/proc/self/comm").read_bytes().rstrip(b"\n"),
        cwd=os.fsencode(Path.cwd()),
        lane=0,
        candidates=1,
        generation=side.installed.number,
    )
    assert event.tid == event.tgid


@pytest.mark.usefixtures("ran")
def test_a_relative_path_and_a_symlink(side, driver, name, program, tmp_path):
    """What was asked stays as it was; the image is the file behind it, and its path whole."""
    (tmp_path / "link").symlink_to(program)
    check(side.one(lambda: driver("cd", tmp_path, "exec", f"./{name}", "x", "truth"), "exec"), asked=f"./{name}".encode(), exe_path=os.fsencode(program))
    check(side.one(lambda: driver("cd", tmp_path, "exec", "link", "x", "truth"), "exec"), asked=b"link", exe_path=os.fsencode(program), comm=b"link")


def test_a_script(side, driver, name, tmp_path):
    """What was asked is the script, the image its interpreter, whose own path is told where the kernel shows it."""
    interpreter = tmp_path.resolve() / f"i{name}"
    shutil.copy(driver.path, interpreter)
    script = tmp_path / f"s{name[:13]}"
    script.write_text(f"#!{interpreter} comm\n")
    script.chmod(0o755)
    side.watch(clause("exec", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, script.name.encode())))
    event = side.one(lambda: driver("exec", script, "ignored", "truth"), "exec")
    raw = side.kernel.features.raw_tracepoint
    check(
        event,
        asked=os.fsencode(script),
        exe_path=os.fsencode(interpreter),
        comm=script.name.encode(),
        interpreter=os.fsencode(interpreter) if raw else b"",
        cmdline=arguments(interpreter, "comm", script, "truth"),
    )


@pytest.mark.usefixtures("ran")
def test_by_descriptor(side, driver, program):
    """`execveat` with AT_EMPTY_PATH: the image is the descriptor's file."""
    event = side.one(lambda: driver("execfd", program, "by-fd", "truth"), "exec")
    check(event, exe_path=os.fsencode(program), cmdline=arguments("by-fd", "truth"), ret=0)
    assert event.asked.startswith(b"/dev/fd/")


def test_from_memory(side, driver, name, program):
    """An image in memory is marked as lying nowhere, and keeps its name."""
    side.watch(clause("exec", is_(Dimension.OUTCOME, 0), is_(Dimension.PCOMM, Path("/proc/self/comm").read_bytes().rstrip(b"\n"))))
    events = side.after(lambda: driver("comm", name, "execmem", program, "from-memory", "truth"), kind="exec")
    (event,) = [event for event in events if event.cmdline == arguments("from-memory", "truth")]
    check(event, exe_path=b"/memfd:from-memory", flags=FrameFlag.EXE_DETACHED)


@pytest.mark.usefixtures("ran")
def test_a_deleted_image(side, driver, program):
    """An image that lost its name before it ran has the path that it had, marked."""
    check(side.one(lambda: driver("exec-unlinked", program, "gone", "truth"), "exec"), exe_path=os.fsencode(program), flags=FrameFlag.EXE_DELETED)


@pytest.mark.usefixtures("ran")
def test_from_shared_memory(side, driver, name):
    """/dev/shm is a place in the mount namespace like any other."""
    path = Path("/dev/shm") / name
    if not path.parent.is_dir():
        pytest.skip(reason="this machine has no /dev/shm")
    try:
        shutil.copy(driver.path, path)
        check(side.one(lambda: driver("exec", path, "x", "truth"), "exec"), exe_path=os.fsencode(path.parent.resolve() / name))
    finally:
        path.unlink()


@pytest.mark.parametrize("reason", ["missing", "not executable", "a directory", "no format"])
def test_a_failed_exec(side, driver, name, tmp_path, reason):
    """The reason and what was asked are told; the image is the one that goes on."""
    side.watch(refused(name))
    asked, error = tmp_path / "asked", {"missing": errno.ENOENT, "no format": errno.ENOEXEC}.get(reason, errno.EACCES)
    if reason == "a directory":
        asked.mkdir()
    elif reason != "missing":
        asked.write_text("no program")
        asked.chmod(0o755 if reason == "no format" else 0o644)
    event = side.one(lambda: driver("comm", name, "tryexec", asked), "exec")
    check(event, ret=-error, asked=os.fsencode(asked), exe_path=os.fsencode(driver.path.resolve()), comm=name.encode(), interpreter=b"")
    assert event.cmdline == arguments(driver.path, "comm", name, "tryexec", asked)


def test_a_failed_exec_by_descriptor(side, driver, name, tmp_path):
    """`execveat`'s path is its second argument."""
    side.watch(refused(name))
    (tmp_path / "text").write_text("no program")
    event = side.one(lambda: driver("comm", name, "execfd", tmp_path / "text"), "exec")
    check(event, ret=-errno.EACCES, asked=b"")


@pytest.mark.usefixtures("ran")
def test_from_a_thread_that_is_not_the_leader(side, driver, name, program):
    """The process keeps its id; the thread takes the leader's, and the name is the new image's."""
    words = {}
    event = side.one(lambda: words.update(driver("truth", "thread", "comm", "a-thread", "exec", program, "x", "truth")), "exec")
    check(event, comm=name.encode(), exe_path=os.fsencode(program), tgid=int(words["pid"]), tid=int(words["pid"]))


@pytest.mark.usefixtures("ran")
def test_no_arguments_at_all(side, driver, program):
    """An empty list of arguments is told as such: newer kernels make it one empty one."""
    event = side.one(lambda: driver("exec-empty", program), "exec")
    check(event, exe_path=os.fsencode(program))
    assert event.cmdline in {b"", b"\0"}


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize("length", [1, 1990, 5000, 120_000])
def test_long_arguments_are_cut_and_marked(side, driver, program, length):
    """2,048 bytes are told, exactly those at the front, and what is longer is marked."""
    event = side.one(lambda: driver("exec-long", program, length), "exec")
    whole = arguments(program, "ignore", "x" * length)
    check(event, cmdline=whole[:2048], flags=FrameFlag.CMDLINE_CUT if len(whole) > 2048 else FrameFlag(0))


@pytest.mark.usefixtures("ran")
def test_arguments_byte_by_byte(side, driver, program):
    """Control characters and broken UTF-8 in arguments arrive as they are."""
    odd = (b"\x1b[2J", b"\xff\xfe", b"new\nline", "schlüssel".encode(), b"")
    check(side.one(lambda: driver("exec", program, "x", "ignore", *odd), "exec"), cmdline=arguments("x", "ignore", *odd))


@pytest.mark.usefixtures("ran")
def test_short_lived_processes_are_all_seen(side, driver, program):
    """Processes that end at once are told with all that they were; none is missed."""
    pids = []

    def act() -> None:
        for _ in range(30):
            pids.append(os.posix_spawn(program, [program, "exit", "0"], {}))
            os.waitpid(pids[-1], 0)

    events = side.after(act, kind="exec")
    assert [event.tgid for event in events] == pids
    assert {event.cmdline for event in events} == {arguments(program, "exit", "0")}
    assert {event.ppid for event in events} == {os.getpid()}


def test_an_image_in_a_directory_like_the_kubelets_keeps_its_path(side, driver, name, tmp_path):
    """The timestamped directory is skipped in files' paths alone."""
    folder = tmp_path.resolve() / "..2024_02_29_23_59_59.123456789"
    folder.mkdir()
    shutil.copy(driver.path, folder / name)
    side.watch(clause("exec", is_(Dimension.OUTCOME, 0), is_(Dimension.LEAF, name.encode()), is_(Dimension.DIRECTORY, folder.name.encode())))
    check(side.one(lambda: driver("exec", folder / name, "x", "truth"), "exec"), exe_path=os.fsencode(folder / name))


def test_the_constraints_of_execs(side, driver, name, program):
    """Exact path, prefix, leaf, directory, name, parent's name, terminal: kept where they hold, dropped where they do not."""
    path, parent = os.fsencode(program), Path("/proc/self/comm").read_bytes().rstrip(b"\n")
    true = [
        is_(Dimension.PATH, exactly(path)),
        is_(Dimension.LEAF, b"other", name.encode()),
        is_(Dimension.DIRECTORY, os.fsencode(program.parent.name)) if len(program.parent.name) < 32 else not_(Dimension.DIRECTORY, b"bin"),
        is_(Dimension.COMM, name.encode()),
        is_(Dimension.PCOMM, parent),
        is_(Dimension.TTY, 0),
    ]
    only_us = is_(Dimension.COMM, name.encode())
    false = [Constraint(one.dimension, one.values, not one.negated) for one in true]
    more = {True: (is_(Dimension.LEAF, name.encode()),), False: (only_us,)}
    side.watch(*(clause("exec", is_(Dimension.OUTCOME, 0), one, *more[one.dimension is Dimension.COMM]) for one in (*true, *false)))
    events = side.after(lambda: driver("fork", "setsid", "exec", program, "x", "truth"), kind="exec")
    (event,) = [event for event in events if event.comm == name.encode()]
    expected = 0b111111 if event.pcomm == parent else 0b101111 | 1 << 10
    assert event.candidates == expected, describe(event)
