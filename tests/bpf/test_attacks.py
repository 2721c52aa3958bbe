# SPDX-License-Identifier: Apache-2.0
"""Acts done so that they are not seen, or seen wrongly; each was possible once."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor.adapters import libbpf
from sensor.events.common import FrameFlag, Lane
from sensor.events.dimensions import Dimension, Outcome, Profile
from tests.bpf.live import below, clause, describe, exactly, is_, opened

# The memory that holds the flags is a page of the file that the call truncates: when the call ends it cannot be read any more.
WRITER = """
import ctypes, mmap, os, struct, sys
path = sys.argv[1]
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, struct.pack("<QQQ", os.O_WRONLY | os.O_TRUNC, 0, 0))
page = mmap.mmap(fd, 24)
os.close(fd)
how = ctypes.addressof(ctypes.c_char.from_buffer(page))
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(ctypes.c_long(437), ctypes.c_int(-100), ctypes.c_char_p(os.fsencode(path)), ctypes.c_void_p(how), ctypes.c_size_t(24)), flush=True)
os._exit(0)
"""


@pytest.fixture
def in_own_mounts():
    """Run a shell's words in a mount namespace of their own."""

    def run(words: str, *arguments: object) -> None:
        subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-ec", words, "sh", *map(str, arguments)], check=True, capture_output=True)

    return run


def test_flags_of_openat2_are_the_files_own(side, tmp_path, name):
    """Whoever takes away the memory that openat2's flags were in is still seen to write."""
    path = tmp_path.resolve() / name
    side.watch(opened(name, is_(Dimension.ACCESS, os.O_WRONLY)))
    event = side.one(lambda: subprocess.run([sys.executable, "-c", WRITER, path], check=True, capture_output=True), "open")
    assert event.syscall == 437, describe(event)
    assert event.open_flags & os.O_ACCMODE == os.O_WRONLY, describe(event)


def test_a_file_below_a_second_mount_of_its_file_system_has_both_paths(side, tmp_path, name, in_own_mounts):
    """After mount --bind / /elsewhere a file has its own path, too, with chroot and without, and below another mount."""
    path, other = tmp_path.resolve() / name, tmp_path.resolve() / "other"
    path.write_text("content")
    other.mkdir()
    top = path
    while not os.path.ismount(top):
        top = top.parent
    inside = os.path.relpath(path, top)
    side.watch(clause("open", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.LEAF, name.encode()), is_(Dimension.PATH, exactly(f"/{inside}"))))
    words = (
        'mount --bind "$1" "$2"; cat "$2/$3"',
        'mount --bind "$1" "$2"; chroot "$2" /bin/cat "/$3"' if str(top) == "/" else "",
        'mount -t tmpfs none "$2"; mkdir "$2/in"; mount --bind "$1" "$2/in"; cat "$2/in/$3"',
    )
    for each in filter(None, words):
        event = side.one(lambda each=each: in_own_mounts(each, top, other, inside), "open")
        assert event.fs_path == os.fsencode(f"/{inside}"), describe(event)
        assert event.path != event.fs_path
        assert event.flags & FrameFlag.FS_PATH


def test_a_file_at_its_ordinary_place_has_one_path(side, tmp_path, name):
    """No second path is built where the first says it already."""
    path = tmp_path.resolve() / name
    path.write_text("content")
    side.watch(opened(name))
    event = side.one(lambda: subprocess.run(["cat", path], check=True, capture_output=True), "open")
    assert (event.fs_path, event.flags & FrameFlag.FS_PATH) == (b"", 0), describe(event)


def test_a_canarys_name_hides_nobody(side, tmp_path):
    """A program that is called like a canary, which anybody can read while it runs, is somebody's act."""
    called = tmp_path.resolve() / next(iter(side.kernel.canaries._names.values()))
    called.symlink_to("/bin/true")
    side.watch(clause("exec", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.PATH, below("/"))))
    masks, take = side.installed.canaries, side.kernel.canaries.take
    side.drain()
    side.kernel.canaries.take = lambda _event, _mask: False  # what the fixture would take away is what is looked at
    try:
        subprocess.run([sys.executable, "-c", "import os, sys; os.spawnv(os.P_WAIT, sys.argv[1], [sys.argv[1]])", called], check=True)
        events = side.until(lambda event: event.kind_name == "exec" and event.comm == called.name.encode()[:15])
    finally:
        side.kernel.canaries.take = take
    event = next(event for event in events if event.comm == called.name.encode()[:15])
    assert event.candidates & masks["exec"]
    assert not side.kernel.take_canary(event, masks)
    assert not side.kernel.take_canary(SimpleNamespace(kind_name="connect", tgid=event.tgid, ns_tgid=os.getpid(), dport=0, candidates=-1), masks)


def test_a_container_with_the_nodes_root_as_a_volume_shows_the_nodes_path(side, tmp_path, name, in_own_mounts):
    """A mount namespace whose root is another file system, with / of the node below it: the file has the node's path, too."""
    path, root = tmp_path.resolve() / name, tmp_path.resolve() / "root"
    path.write_text("content")
    root.mkdir()
    if path.stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("temporary files do not lie on the root file system")
    side.watch(clause("open", is_(Dimension.OUTCOME, Outcome.SUCCEEDED), is_(Dimension.LEAF, name.encode()), is_(Dimension.PATH, exactly(path))))
    words = (
        'mount -t tmpfs none "$1"; cd "$1"; mkdir host old; mount --bind / host; for each in /lib* /usr /bin; do ln -s "host$each" .; done;'
        'pivot_root . old; cat "/host$2"'
    )
    event = side.one(lambda: in_own_mounts(words, root, path), "open")
    assert (event.path, event.fs_path) == (b"/host" + os.fsencode(path), os.fsencode(path)), describe(event)


def test_cgroups_that_are_no_more_leave_no_workload_without_a_bucket(session_side, driver, tmp_path, name, make_cgroup):
    """After more cgroups than the kernel has buckets for, a new one still has its own: nobody's flood drowns it."""
    path, maps, cgroup = tmp_path.resolve() / name, session_side.kernel.session.maps, make_cgroup("late")
    path.write_text("content")
    for gone in range(1, 5000):
        with suppress(OSError):  # a map that only fills says so
            libbpf.map_update(maps["buckets"], struct.pack("<QII", 1 << 60 | gone, 0, 0), bytes(32))
    session_side.kernel.session.set_profile(cgroup.id, Profile.CONTAINER)
    session_side.watch(opened(name))
    session_side.after(lambda: driver("put", cgroup.procs, "0", "open", path, 0, 0), kind="open")
    assert libbpf.map_lookup(maps["buckets"], struct.pack("<QII", cgroup.id, Lane.COMMON, 0), 32) is not None
