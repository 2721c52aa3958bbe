# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os

import pytest

from sensor.engine.acts import ACTS, address_text, capability_names, error_name, open_flags, tty_name
from sensor.events.common import FrameFlag
from sensor.events.registry import KINDS
from tests.unit.events_factory import address_bytes, make_event


def test_every_kind_but_bookkeeping_has_an_act():
    """A new event kind without an act fails here, not at its first finding."""
    assert set(ACTS) == {spec.name for spec in KINDS} - {"exit"}


def test_errors_have_names():
    """A negative return value is its error's name; an unknown one stays a number; a success has none."""
    assert [error_name(ret) for ret in (0, 3, -errno.ENOENT, -4000)] == [None, None, "ENOENT", "-4000".removeprefix("-")]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (0, ("O_RDONLY",)),
        (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, ("O_WRONLY", "O_CREAT", "O_TRUNC")),
        (os.O_RDWR | os.O_SYNC, ("O_RDWR", "O_SYNC")),
        (os.O_RDWR | os.O_DSYNC, ("O_RDWR", "O_DSYNC")),
        (os.O_WRONLY | os.O_TMPFILE, ("O_WRONLY", "O_TMPFILE")),
        (os.O_DIRECTORY | os.O_CLOEXEC, ("O_RDONLY", "O_DIRECTORY", "O_CLOEXEC")),
        (3, ("O_ACCMODE",)),
        (1 << 30, ("O_RDONLY", "0x40000000")),
    ],
)
def test_open_flags_by_name(flags, names):
    """Flags made of others are named once, and bits without a name stay visible."""
    assert open_flags(flags) == names


def test_capabilities_by_name():
    """The bit is the capability's number; one newer than this build is a number."""
    assert capability_names(0) == ()
    assert capability_names(1 << 21 | 1) == ("CAP_CHOWN", "CAP_SYS_ADMIN")
    assert capability_names(1 << 40 | 1 << 63) == ("CAP_CHECKPOINT_RESTORE", "CAP_63")


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (0, None),
        (136 << 20 | 3, "pts/3"),
        (136 << 20 | 1000, "pts/1000"),
        (4 << 20 | 1, "tty1"),
        (4 << 20 | 64, "ttyS0"),
        (5 << 20 | 1, "console"),
        (204 << 20 | 64, "204:64"),
    ],
)
def test_terminals_by_name(device, name):
    """A terminal is named as below /dev, or by its numbers."""
    assert tty_name(device) == name


def test_mapped_addresses_are_ipv4():
    """::ffff:a.b.c.d is shown as people write it, other addresses as they are."""
    assert address_text(address_bytes("192.0.2.7")) == "192.0.2.7"
    assert address_text(address_bytes("2001:db8::1")) == "2001:db8::1"


def test_an_open():
    """A successful open has path, descriptor and flags; the mode only when it can create."""
    act = ACTS["open"](make_event("open", path=b"/tmp/\xff", asked="x", open_flags=os.O_CREAT | os.O_RDWR, open_mode=0o100640, ret=7))
    assert act == {
        "kind": "open",
        "result": "succeeded",
        "errno": None,
        "path": "/tmp/\\xff",
        "asked": "x",
        "fs_path": None,
        "flags": ["O_RDWR", "O_CREAT"],
        "mode": "0640",
        "fd": 7,
        "inode": 4711,
    }


def test_a_failed_open():
    """A failed open has no path: only what was asked."""
    act = ACTS["open"](make_event("open", ret=-errno.EACCES, path=b"", asked="/etc/shadow", inode=0))
    assert (act["result"], act["errno"], act["path"], act["asked"], act["fd"], act["inode"]) == ("failed", "EACCES", None, "/etc/shadow", None, None)


def test_a_bind_mounted_file_has_its_own_path_too():
    """fs_path is there when the frame says so, and only then."""
    event = make_event("open", fs_path="/var/lib/x", flags=int(FrameFlag.FS_PATH))
    assert ACTS["open"](event)["fs_path"] == "/var/lib/x"
    event.flags = 0
    assert ACTS["open"](event)["fs_path"] is None


def test_an_exec():
    """A script's exec has the interpreter as its program's path and the script as what was asked."""
    act = ACTS["exec"](make_event("exec", exe_path="/usr/bin/dash", asked="./run.sh", interpreter="/bin/sh"))
    assert (act["path"], act["asked"], act["interpreter"], act["errno"]) == ("/usr/bin/dash", "./run.sh", "/bin/sh", None)
    failed = ACTS["exec"](make_event("exec", ret=-errno.ENOENT))
    assert (failed["result"], failed["errno"], failed["path"], failed["interpreter"]) == ("failed", "ENOENT", None, None)


def test_a_connect():
    """Peer and own end are addresses with ports; a handshake under way is a success that says so."""
    act = ACTS["connect"](make_event("connect", ret=-errno.EINPROGRESS))
    assert act["peer"] == {"address": "192.0.2.7", "port": 443}
    assert act["local"] == {"address": "192.0.2.1", "port": 40000}
    assert (act["family"], act["protocol"], act["result"], act["errno"]) == ("inet", "tcp", "succeeded", "EINPROGRESS")
    refused = ACTS["connect"](make_event("connect", ret=-errno.ECONNREFUSED, family=10, daddr="2001:db8::1", protocol=99, fd=-1))
    assert (refused["result"], refused["errno"], refused["family"], refused["protocol"], refused["fd"]) == ("failed", "ECONNREFUSED", "inet6", "99", None)


@pytest.mark.parametrize(
    ("raw", "path", "abstract"),
    [(b"/run/x.sock\0\0", "/run/x.sock", False), (b"/run/x.sock", "/run/x.sock", False), (b"\0name\0", "name\0", True), (b"", "", False)],
)
def test_a_unix_connect(raw, path, abstract):
    """A Unix socket has a path or an abstract name and neither address nor protocol."""
    act = ACTS["connect"](make_event("connect", family=1, protocol=0, unix_path=raw))
    assert (act["family"], act["path"], act["abstract"], act["peer"], act["local"], act["protocol"]) == ("unix", path, abstract, None, None, None)


def test_a_flood():
    """A flood names the kind and the lane, and a kind of another build by its number."""
    assert ACTS["flood"](make_event("flood", dropped=9, flooded_kind=3, flooded_lane=1)) == {
        "kind": "flood",
        "dropped": 9,
        "flooded_kind": "open",
        "flooded_lane": "reserved",
    }
    assert ACTS["flood"](make_event("flood", flooded_kind=99))["flooded_kind"] == "99"
