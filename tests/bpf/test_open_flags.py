# SPDX-License-Identifier: Apache-2.0
"""The flags of opens: the call's own, the file's, and those that nobody can be sure of; in both forms."""

from __future__ import annotations

import errno
import os
import platform

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Dimension
from tests.bpf.live import checked, is_, not_, open_failed, opened

X86 = platform.machine() == "x86_64"
AT_FDCWD = -100
OPENAT, OPENAT2 = (257, 437) if X86 else (56, 437)


@pytest.mark.parametrize("call", ["open", "oldopen", "openat2"])
def test_the_calls_own_flags(side, driver, file, call):
    """O_CREAT and O_TRUNC, which the open file has forgotten, are told as they were given."""
    if call == "oldopen" and not X86:
        pytest.skip(reason="this machine has no open(2)")
    more = (0, os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_TRUNC, os.O_APPEND | os.O_CREAT, os.O_NONBLOCK, os.O_CLOEXEC | os.O_NOFOLLOW)
    combinations = [access | other for access in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR) for other in more]
    modes = [0o604 if wanted & os.O_CREAT else 0 for wanted in combinations]
    words = {}
    act = [word for wanted, mode in zip(combinations, modes, strict=True) for word in (call, file, wanted, mode)]
    events = side.after(lambda: words.update(driver(*act)), kind="open")
    if words["open"] == str(-errno.ENOSYS):
        pytest.skip(reason="this kernel has no openat2")
    assert [event.open_flags for event in events] == combinations
    assert [event.open_mode for event in events] == modes
    assert {event.syscall for event in events} == {{"open": OPENAT, "oldopen": 2, "openat2": OPENAT2}[call]}
    assert {event.path for event in events} == {os.fsencode(file)}
    kept = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
    assert [event.file_flags & kept for event in events] == [wanted & kept for wanted in combinations]


CREATION = os.O_CREAT | os.O_EXCL | os.O_TRUNC


@pytest.mark.parametrize(("after", "told"), [(0, 0), (-1, 0), (CREATION, CREATION)], ids=["rewritten", "unmapped", "rewritten to others"])
def test_the_flags_of_openat2_can_be_hidden_and_are_then_not_sure(side, driver, name, root, after, told):  # noqa: PLR0917  # fixtures and a pair of parameters
    """
    Another thread changes or unmaps the flags while the call waits: clauses on creation stay, the frame says why, the file's own flags are told.

    The clauses are on both polarities: none of them may go, whatever is found in memory afterwards.
    """
    os.mkfifo(root / name)
    without = [bits for bits in range(16) if not bits & 2]
    side.watch(opened(name), opened(name, is_(Dimension.CREATION, *range(2, 16, 4), *range(3, 16, 4))), opened(name, is_(Dimension.CREATION, *without)))
    words = {}
    asked = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
    events = side.after(lambda: words.update(driver("comm", name, "openat2-hidden", root / name, asked, 0, after)), kind="open")
    if words["open"] == str(-errno.ENOSYS):
        pytest.skip(reason="this kernel has no openat2")
    (event,) = [event for event in events if event.syscall == OPENAT2]
    assert event.candidates == 0b111
    checked(event, flags=FrameFlag.CREATION_UNSURE, open_flags=os.O_WRONLY | os.O_NOFOLLOW | told, path=os.fsencode(root / name))


def test_the_flags_of_a_failed_openat2_are_not_sure_at_all(side, driver, name):
    """There is no file to tell its own."""
    side.watch(open_failed(name, is_(Dimension.CREATION, 1)))
    words = {}
    events = side.after(lambda: words.update(driver("comm", name, "openat2", "/no/such/file", os.O_WRONLY, 0)), kind="open")
    if words["open"] == str(-errno.ENOSYS):
        pytest.skip(reason="this kernel has no openat2")
    (event,) = events
    checked(event, flags=FrameFlag.CREATION_UNSURE | FrameFlag.FLAGS_UNSURE, ret=-errno.ENOENT, open_flags=os.O_WRONLY, asked=b"/no/such/file")


def test_a_path_alone(side, driver, file):
    """O_PATH is neither reading nor writing: a clause on reading does not see it, one on neither does."""
    side.watch(*(opened(file.name, is_(Dimension.ACCESS, access)) for access in range(4)), opened(file.name, not_(Dimension.ACCESS, 0)))
    event = side.one(lambda: driver("open", file, os.O_PATH, 0), "open")
    assert event.candidates == 0b11000
    assert event.open_flags == os.O_PATH


def test_an_exclusive_creation(side, driver, name, root):
    """O_EXCL is told, in the creation that worked and in the one that did not."""
    side.watch(opened(name), open_failed(name))
    path, wanted = root / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL
    first, second = side.after(lambda: driver("comm", name, "open", path, wanted, 0o600, "open", path, wanted, 0o600), kind="open")
    checked(first, open_flags=wanted, open_mode=0o600, path=os.fsencode(path), asked=os.fsencode(path))
    checked(second, open_flags=wanted, ret=-errno.EEXIST, path=b"", asked=os.fsencode(path), inode=0, file_flags=0)


@pytest.mark.skipif(not X86, reason="this machine has no creat(2)")
def test_creat(side, driver, name, root):
    """creat(2) is told with the flags that it stands for."""
    side.watch(opened(name))
    event = side.one(lambda: driver("creat", root / name, 0o604), "open")
    checked(event, open_flags=os.O_CREAT | os.O_WRONLY | os.O_TRUNC, open_mode=0o604, syscall=85, path=os.fsencode(root / name), dirfd=AT_FDCWD)
