# SPDX-License-Identifier: Apache-2.0
"""Opens: the file that was really opened, how, and what was asked; in both forms."""

from __future__ import annotations

import errno
import os
import platform
import random
from functools import partial
from pathlib import Path

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Dimension
from sensor.rulelang.getters import plain_path
from tests.bpf.live import SLOW, checked, clause, exactly, fewer, flags, is_, numbers, open_failed, opened

CLONE_NEWNS = 0x00020000
AT_FDCWD = -100
X86 = platform.machine() == "x86_64"
OPENAT = 257 if X86 else 56
STAMP = "..2024_02_29_23_59_59.123456789"


def test_every_field_of_an_open(side, driver, file):
    """Result, flags of the call and of the file, mode, number of the call, inode, both paths."""
    words = {}
    event = side.one(lambda: words.update(driver("open", file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o640)), "open")
    fd, inode, file_flags = numbers(words, "open", "inode", "file_flags")
    checked(
        event,
        ret=fd,
        dirfd=AT_FDCWD,
        open_flags=os.O_RDWR | os.O_APPEND | os.O_CLOEXEC,
        open_mode=0o640,
        syscall=OPENAT,
        inode=inode,
        path=os.fsencode(file),
        asked=os.fsencode(file),
        fs_path=b"",
    )
    assert event.file_flags == file_flags  # F_GETFL hides nothing but FMODE_ bits
    assert inode == file.stat().st_ino


def test_a_symlink_is_followed(side, driver, file, root):
    """A link to the file, and a link to a folder above it, lead to the file's own path."""
    (root / "link").symlink_to(file)
    (root / "up").symlink_to("..")
    checked(side.one(lambda: driver("open", root / "link", 0, 0), "open"), path=os.fsencode(file), asked=os.fsencode(root / "link"))
    asked = root / "up" / root.name / file.name
    checked(side.one(lambda: driver("open", asked, 0, 0), "open"), path=os.fsencode(file), asked=os.fsencode(asked))


def test_dots_are_resolved(side, driver, file, root):
    """``..``, ``.`` and double slashes are in what was asked and not in the path."""
    (root / "a" / "b").mkdir(parents=True)
    asked = f"{root}/a/./b//../../{file.name}"
    checked(side.one(lambda: driver("open", asked, 0, 0), "open"), path=os.fsencode(file), asked=asked.encode())


def test_below_a_directory_descriptor(side, driver, file, root):
    """What is relative to a descriptor is resolved from there, and the descriptor told."""
    words = {}
    event = side.one(lambda: words.update(driver("below", root, f"../{root.name}/{file.name}", 0, 0)), "open")
    checked(event, path=os.fsencode(file), asked=f"../{root.name}/{file.name}".encode(), dirfd=int(words["dirfd"]), ret=int(words["open"]))


def test_relative_to_the_working_directory(side, driver, file, root):
    """A relative path is resolved, and the working directory told."""
    checked(side.one(lambda: driver("cd", root, "open", file.name, 0, 0), "open"), path=os.fsencode(file), asked=file.name.encode(), cwd=os.fsencode(root))


def test_in_a_chroot(side, driver, file, root):
    """The path begins at the mount namespace's root, not at the process's."""
    checked(side.one(lambda: driver("chroot", root, "open", f"/{file.name}", 0, 0), "open"), path=os.fsencode(file), asked=f"/{file.name}".encode())


@pytest.mark.parametrize("what", ["directory", "file"])
def test_a_bind_mount_is_told_under_both_names(side, driver, file, root, what):
    """What a bind mount shows is told as it is seen there, and as it is called in its file system."""
    on_disk = mount_of(file)
    if what == "directory":
        (root / "other").mkdir()
        source, target, seen = root, root / "other", root / "other" / file.name
    else:
        (root / "another-name").write_text("")
        source, target, seen = file, root / "another-name", root / "another-name"
    act = ("unshare", CLONE_NEWNS, "private", "bind", source, target, "open", seen, 0, 0)
    checked(side.one(lambda: driver(*act), "open"), path=os.fsencode(seen), fs_path=on_disk, flags=FrameFlag.FS_PATH)


def mount_of(file: Path) -> bytes:
    """The path of *file* inside its file system."""
    best = ("", "/")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount_root, point = line.split(" ")[3:5]
        if file.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, mount_root)
    return os.fsencode(Path(best[1]) / file.relative_to(best[0]))


@pytest.mark.parametrize("pattern", ["seen", "on disk"])
def test_a_rule_on_either_name_of_a_bind_mounted_file_sees_it(side, driver, name, root, pattern):
    """A clause on the exact path is kept by the path where it is seen and by the one in the file system."""
    file = root / name
    file.write_text("")
    (root / "mounted").write_text("")
    path = os.fsencode(root / "mounted") if pattern == "seen" else mount_of(file)
    side.watch(
        clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, name.encode()), is_(Dimension.PATH, exactly(path))),
        clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, name.encode()), is_(Dimension.PATH, exactly("/elsewhere"))),
    )
    act = ("comm", name, "unshare", CLONE_NEWNS, "private", "bind", file, root / "mounted", "open", root / "mounted", 0, 0)
    event = side.one(lambda: driver(*act), "open")
    assert event.candidates == 1


def test_a_detached_mount(side, driver, file, root):
    """A file below a mount that hangs nowhere is marked so, with its path in the file system beside it."""
    words = {}
    events = side.after(lambda: words.update(driver("detached", root, file.name)), kind="open")
    if int(words["open_tree"]) < 0:
        pytest.skip(reason="this kernel has no open_tree")
    (event,) = events
    checked(event, path=f"/{file.name}".encode(), fs_path=mount_of(file), flags=FrameFlag.PATH_DETACHED | FrameFlag.FS_PATH)


def test_a_deleted_file_opened_anew(side, driver, file):
    """A file without a name, opened through /proc, has the path that it had, marked."""
    events = side.after(lambda: driver("open", file, os.O_RDWR, 0, "unlink", file, "reopen", os.O_RDONLY), kind="open")
    assert [flags(event) for event in events] == [FrameFlag(0), FrameFlag.PATH_DELETED]
    assert {event.path for event in events} == {os.fsencode(file)}
    assert events[1].asked.startswith(b"/proc/self/fd/")
    assert events[0].inode == events[1].inode


def test_a_file_without_a_name(side, driver, name, root):
    """O_TMPFILE's file is told below its directory, marked as nameless."""
    side.watch(clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, name.encode())))
    event = side.one(lambda: driver("comm", name, "open", root, os.O_TMPFILE | os.O_RDWR, 0o600), "open")
    assert event.path.rpartition(b"/")[0] == os.fsencode(root)
    assert flags(event) == FrameFlag.PATH_DELETED
    assert event.asked == os.fsencode(root)


def test_a_memory_file_and_a_pipe(side, driver, name):
    """What has no place in the mount namespace is marked as detached, and a memory file keeps its name."""
    side.watch(clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, name.encode())))
    event = side.one(lambda: driver("comm", name, "memfd", "hidden"), "open")
    checked(event, path=b"/memfd:hidden", flags=FrameFlag.PATH_DETACHED)
    event = side.one(lambda: driver("comm", name, "pipe"), "open")
    checked(event, path=b"/", flags=FrameFlag.PATH_DETACHED)


@pytest.mark.parametrize("stamp", [STAMP, "..2024_02_29_23_59_59.1", "..1970_01_01_00_00_00.4294967295"])
def test_a_volumes_timestamped_directory_is_no_part_of_the_path(side, driver, name, root, stamp):
    """The kubelet's directory is left out, and clauses on the name above it, or on the path, see the file."""
    volume = root / "volume"
    (volume / stamp).mkdir(parents=True)
    (volume / "..data").symlink_to(stamp)
    (volume / stamp / name).write_text("secret")
    (volume / name).symlink_to(f"..data/{name}")
    side.watch(
        opened(name, is_(Dimension.DIRECTORY, b"volume")),
        opened(name, is_(Dimension.PATH, exactly(volume / name))),
        opened(name, is_(Dimension.DIRECTORY, b"elsewhere")),
    )
    event = side.one(lambda: driver("open", volume / name, 0, 0), "open")
    checked(event, path=os.fsencode(volume / name), flags=FrameFlag.PATH_VOLUME_SKIPPED)
    assert event.candidates & 3 == 3


@pytest.mark.parametrize("is_directory", [True, False])
def test_what_is_opened_itself_keeps_a_timestamps_name(side, driver, name, root, is_directory):
    """Anybody can call a file so: its path is its own, and it lies in the directory it lies in."""
    volume = root / name
    volume.mkdir()
    if is_directory:
        (volume / STAMP).mkdir()
    else:
        (volume / STAMP).touch()
    side.watch(opened(STAMP, is_(Dimension.DIRECTORY, name.encode()), is_(Dimension.PATH, exactly(volume / STAMP))))
    checked(side.one(lambda: driver("open", volume / STAMP, 0, 0), "open"), path=os.fsencode(volume / STAMP))


NEAR_MISSES = (
    "..2024_02_29_23_59_59.",
    "..2024_02_29_23_59_59",
    "..2024_02_29_23_59_59.12345678901",
    "..2024_02_29_23_59_59.12345678x",
    "..2024_02_29_23_59_5x.123456789",
    "..2024-02_29_23_59_59.123456789",
    "..202a_02_29_23_59_59.123456789",
    "..2024_02_29_23_59:59.123456789",
    "..2024_02_29_23_59_59_123456789",
    "..2024_02_29_23_59_59./23456789",
    ".x2024_02_29_23_59_59.123456789",
    "2024_02_29_23_59_59.123456789",
    "..data",
    "...",
)


def test_a_name_that_is_not_quite_a_timestamp_stays(side, driver, file, root):
    """Whoever makes a directory that only looks like the kubelet's is told with all of it."""
    paths = [root / near_miss / file.name for near_miss in NEAR_MISSES]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("x")
    side.drain()
    events = side.after(lambda: driver(*(word for path in paths for word in ("open", path, 0, 0))), kind="open")
    assert [(event.path, flags(event)) for event in events] == [(os.fsencode(path), FrameFlag(0)) for path in paths]


@pytest.mark.parametrize(
    ("asked", "error"),
    [("/no/such/file", errno.ENOENT), ("relative/file", errno.ENOENT), ("/etc/passwd/x", errno.ENOTDIR), ("", errno.ENOENT), ("x" * 300, errno.ENAMETOOLONG)],
)
def test_a_failed_open(side, driver, name, asked, error):
    """Nothing was opened: the error and what was asked are told, and no path is made up."""
    side.watch(open_failed(name))
    checked(
        side.one(lambda: driver("comm", name, "open", asked, os.O_WRONLY, 0), "open"), ret=-error, path=b"", fs_path=b"", asked=asked.encode(), open_flags=1
    )


def batched(items: list[str], size: int) -> list[list[str]]:
    """Pieces of at most *size*."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def spellings() -> list[str]:
    """Paths of one letter, slashes and points, of every length around the eight bytes that the kernel looks at."""
    dice = random.Random(7)
    return ["/no/such", "/no//such", "//no/such", "/no/such/", "/no/./such", "/no/such/.", "/x/../no/such"] + [
        "/no/" + "".join(dice.choices("aaaa/.", k=length)) + end for length in range(1, 20) for end in ("", "a", "/") for _ in range(3)
    ]


def test_another_spelling_of_what_a_failed_open_asked_for(side, driver, name):
    """What is not spelt plainly may be any file, so it leaves the kernel; what is plainly another does not, where a loop can tell."""
    side.watch(open_failed(name, is_(Dimension.PATH, exactly("/no/such"))))
    told = []
    for some in batched(spellings(), 40):  # as many as a small buffer holds
        words = [word for one in some for word in ("open", one, 0, 0)]
        told += [event.asked for event in side.after(partial(driver, "comm", name, *words), kind="open")]
    odd = [one.encode() for one in spellings() if plain_path(one.encode()) != one.encode()]
    assert len(odd) > 50
    assert [one for one in odd if one not in told] == []
    assert b"/no/such" in told
    if side.kernel.features.bounded_loops:
        plain = {one.encode() for one in spellings()} - set(odd)
        assert {one for one in plain & set(told) if b"/." not in one} == {b"/no/such"}


def test_a_path_that_cannot_be_read(side, driver, name):
    """EFAULT: what was asked is unknown, which is said, and every clause on it stays."""
    side.watch(open_failed(name, is_(Dimension.PATH, exactly("/elsewhere")), is_(Dimension.DOTDOT, 1)))
    checked(side.one(lambda: driver("comm", name, "open-nowhere"), "open"), ret=-errno.EFAULT, asked=b"", flags=FrameFlag.ASKED_FAULTED)


def test_a_long_path_that_was_asked_is_cut_and_marked(side, driver, name):
    """511 bytes are told, and the clauses on it stay."""
    side.watch(open_failed(name, is_(Dimension.PATH, exactly("/elsewhere"))))
    asked = "/" + "/".join(["abc"] * 250)
    checked(side.one(lambda: driver("comm", name, "open", asked, 0, 0), "open"), asked=asked.encode()[:511], flags=FrameFlag.ASKED_CUT)


@pytest.mark.parametrize("leaf", [b"n" * 255, b"\xff\xfe\x80", b"tab\tnew\nline", b"\x1b[31mred", "schlüssel €".encode(), b" ", b"a b  c"])
def test_names_are_told_byte_by_byte(side, driver, name, root, leaf):
    """Whatever bytes a name has, it is told with them, nothing cut and nothing escaped."""
    side.watch(clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.COMM, name.encode())))
    path = os.fsencode(root) + b"/" + leaf
    Path(os.fsdecode(path)).write_text("x")
    checked(side.one(lambda: driver("comm", name, "open", path, 0, 0), "open"), path=path, asked=path)


@pytest.fixture
def deep(name, root):
    """A function that makes a file below *depth* folders called *folder*; the folders are removed from inside."""
    made = []

    def make(depth: int, folder: str) -> int:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        made.append(os.dup(at))
        for _ in range(depth):
            os.mkdir(folder, dir_fd=at)
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
            made.append(os.dup(at))
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at))
        return at

    yield make
    for fd in made:
        os.close(fd)


@pytest.mark.parametrize("beyond", [(150, "d"), (8, "e" * 200)], ids=["too-deep", "too-long"])
def test_a_path_beyond_the_frame_is_cut_and_kept(side, driver, name, deep, beyond):
    """A path of too many names or bytes is marked as cut, what is told is its end, and the clauses on the path stay."""
    depth, folder = beyond
    side.watch(opened(name, is_(Dimension.PATH, exactly("/elsewhere"))), opened(name, is_(Dimension.DIRECTORY, b"elsewhere")))
    place = f"/proc/{os.getpid()}/fd/{deep(depth, folder)}"
    event = side.one(lambda: driver("open", f"{place}/{name}", 0, 0), "open")
    assert FrameFlag.PATH_CUT in flags(event)
    above = os.fsencode(Path(place).resolve()).partition(b"/" + folder.encode())[0]
    whole = above + b"".join(b"/" + folder.encode() for _ in range(depth)) + b"/" + name.encode()
    assert whole.endswith(event.path)
    assert len(event.path) > len(name) + 1
    assert event.candidates & 1
    if len(folder) == 1:
        assert event.candidates == 1


def test_a_path_of_just_the_room(side, driver, name, root, deep):
    """The longest path that fits is whole and not marked; one byte more is."""
    room = 1023 - len(os.fsencode(root)) - len(name) - 1
    for length, expected in ((room, FrameFlag(0)), (room + 1, FrameFlag.PATH_CUT)):
        at = os.fsencode(root)
        left = length
        while left:
            part = min(left, 201)
            part -= 1 if left - part == 1 else 0
            at += b"/" + b"f" * (part - 1)
            left -= part
        Path(os.fsdecode(at)).mkdir(parents=True, exist_ok=True)
        path = at + b"/" + name.encode()
        Path(os.fsdecode(path)).write_text("")
        side.watch(opened(name))
        event = side.one(lambda path=path: driver("open", path, 0, 0), "open")
        assert flags(event) & FrameFlag.PATH_CUT == expected
        assert (event.path == path) == (not expected)


def test_a_string_rewritten_during_the_open_does_not_lie(side, driver, name, root):
    """While a second thread swaps the string between two files, each event's path is that of the file that was opened."""
    first, second = root / f"{name}-a", root / f"{name}-b"
    first.write_text("first")
    second.write_text("second")
    side.watch(clause("open", is_(Dimension.OUTCOME, 0), is_(Dimension.LEAF, os.fsencode(first.name), os.fsencode(second.name))))
    words = {}
    events = side.during(lambda: words.update(driver("race", fewer(1500), first, second)), kind="open")
    inodes = {first.stat().st_ino: os.fsencode(first), second.stat().st_ino: os.fsencode(second)}
    assert [event.path for event in events] == [inodes[event.inode] for event in events]
    told = [sum(event.path == os.fsencode(path) for event in events) for path in (first, second)]
    assert told == list(numbers(words, "first", "second"))


def test_a_descriptor_that_another_thread_closed(side, driver, name, root):
    """
    An open whose descriptor is gone before its end is told all the same, its path as unknown; nothing else is made up.

    Of so many opens some dozen are caught in between; with a thread that is always quick enough the clauses on the name would be evaded.
    """
    side.watch(opened(name))
    (root / name).write_text("")
    rounds, count = int(100 / SLOW) or 1, 200  # as many as the smallest buffers hold
    events = [event for _ in range(rounds) for event in side.after(lambda: driver("opens-closed", count, root / name), kind="open")]
    assert len(events) == rounds * count
    assert {(event.path, bool(event.flags & FrameFlag.PATH_CUT)) for event in events} <= {(os.fsencode(root / name), False), (b"", True)}


def test_the_directory_above_ends_an_open_early(side, driver, name, root):
    """A file in a folder called as a rule's, which lies elsewhere, is dropped; across a mount, or below a timestamp, the clause stays."""
    wanted, elsewhere, stamped = root / "above" / "folder", root / "elsewhere" / "folder", root / STAMP / "folder"
    for folder in (wanted, elsewhere, stamped):
        folder.mkdir(parents=True)
        (folder / name).write_text("")
    side.watch(opened(name, is_(Dimension.DIRECTORY, b"folder"), is_(Dimension.ABOVE, b"above")))
    events = side.after(lambda: driver(*(word for folder in (wanted, elsewhere, stamped) for word in ("open", folder / name, 0, 0))), kind="open")
    assert [event.path for event in events] == [os.fsencode(wanted / name), os.fsencode(root / "folder" / name)]
    words = ("unshare", CLONE_NEWNS, "private", "bind", elsewhere.parent, elsewhere.parent, "open", elsewhere / name, 0, 0)
    assert side.one(lambda: driver(*words), "open").path == os.fsencode(elsewhere / name)
