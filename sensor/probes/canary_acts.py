# SPDX-License-Identifier: Apache-2.0
"""
The canaries' acts, one of each kind, done so that they prove what they can.

Each returns what its event must say: attribute → value. An agent that is root,
in its first namespace, without a terminal, has the same 0 in many places, so a
probe that reads the wrong one reads the right number. Therefore a file is
opened by a thread whose ids and capabilities differ from one another, one of
the connects is of a datagram socket, whose peer is read from the socket, and
programs are started on a terminal of their own. Where such a thing is not
allowed or not there the act is done without it, and proves less.

Numbers of processes and users are the host's, so they are told only where this
process sees the host's.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import threading
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.privileges import INITIAL_PID_NS, INITIAL_USER_NS, namespace_inode, read_text, status_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Facts = dict[str, object]

OPEN_FLAGS, OPEN_MODE = os.O_RDONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o604
"""The file is there; O_CREAT makes the C library hand over the mode."""

_AT_FDCWD = -100
_CONNECT_TIMEOUT_S = 0.2
_MAPPED = bytes(10) + b"\xff\xff"

_SETRESUID_SETRESGID = {"x86_64": (117, 119), "aarch64": (147, 149)}
"""Numbers of the calls, asm/unistd_64.h and asm-generic/unistd.h: without the C library around them they change the calling thread alone (credentials(7))."""

_KEEP = ctypes.c_uint(-1)
_NOBODYS = 4_294_900_000
"""The first of four ids that nobody has, above all that systemd lists: whoever had a thread's real or saved id could send it signals (kill(2))."""

_CAPABILITY_VERSION_3 = 0x20080522
_CAP_LEASE = 28
"""A capability that the agent never needs, and that a thread can lay down for its last millisecond."""


def open_file(path: Path) -> Facts:
    """Open and close *path*, which is there, in a thread unlike any other."""
    facts: Facts = {"path": os.fsencode(path), "asked": os.fsencode(path), "dirfd": _AT_FDCWD, "open_flags": OPEN_FLAGS | os.O_CLOEXEC, "open_mode": OPEN_MODE}

    def act() -> None:
        with suppress(OSError):
            facts.update(_other_ids())
        fd = os.open(path, OPEN_FLAGS, OPEN_MODE)
        try:
            facts["ret"] = fd
            facts.update(_of_descriptor(fd))
        finally:
            os.close(fd)

    _in_a_thread(act)
    return facts


def connect(address: str, port: int, *, datagram: bool) -> Facts:
    """Connect to *address*, of loopback: by TCP, which is refused, or a datagram socket, which sends nothing."""
    with socket.socket(type=socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM) as sock:
        sock.settimeout(_CONNECT_TIMEOUT_S)
        failed = sock.connect_ex((address, port))
        facts: Facts = {"dport": port, "daddr": _MAPPED + IPv4Address(address).packed, "family": int(socket.AF_INET)}
        if datagram and not failed:
            own, own_port = sock.getsockname()
            facts |= {"fd": sock.fileno(), "protocol": socket.IPPROTO_UDP, "saddr": _MAPPED + IPv4Address(own).packed, "sport": own_port}
        return facts


def execute(path: Path, arguments: list[str]) -> Facts:
    """Run the program that *path*, a link, leads to, as leader of a session of its own on a terminal of its own; waits for its end."""
    facts: Facts = {
        "comm": os.fsencode(path.name)[:15],
        "asked": os.fsencode(path),
        "interpreter": b"",
        "exe_path": os.fsencode(path.resolve()),
        "cmdline": b"".join(os.fsencode(argument) + b"\0" for argument in arguments),
    }
    try:
        with _terminal() as (name, device):  # the first terminal that a session's leader opens is its own
            pid = os.posix_spawn(path, arguments, {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0)], setsid=True)
            os.waitpid(pid, 0)
    except OSError:  # no pseudo-terminals here
        os.waitpid(os.posix_spawn(path, arguments, {}), 0)
        return facts
    if _sees_host("pid", INITIAL_PID_NS):
        facts |= {"tgid": pid, "sid": pid, "pgid": pid}
    return facts | {"tty_dev": device}


@contextmanager
def _terminal() -> Iterator[tuple[str, int]]:
    """Make a pseudo-terminal: its name, and its device as ``major << 20 | minor``."""
    master, slave = os.openpty()
    try:
        device = os.fstat(slave).st_rdev
        yield os.ttyname(slave), os.major(device) << 20 | os.minor(device)
    finally:
        os.close(slave)
        os.close(master)


def _in_a_thread(act: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # raised in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run, name="scout-canary")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _sees_host(kind: str, initial: int) -> bool:
    return namespace_inode(Path("/proc/self"), kind) in (None, initial)


def _of_descriptor(fd: int) -> Facts:
    """``f_flags`` and ``i_ino`` as the kernel has them: fdinfo (proc(5)) shows the second since 5.14, and O_CLOEXEC, which is the descriptor's."""
    shown = dict(line.split(":\t", 1) for line in (read_text(Path(f"/proc/thread-self/fdinfo/{fd}")) or "").splitlines() if ":\t" in line)
    facts: Facts = {}
    if "flags" in shown:
        facts["file_flags"] = int(shown["flags"], 8) & ~os.O_CLOEXEC
    if "ino" in shown:
        facts["inode"] = int(shown["ino"])
    return facts


def _other_ids() -> Facts:
    """Change this thread's real and saved ids, and what capabilities are effective; returns what is to be seen of it."""
    facts: Facts = {"tid": threading.get_native_id()} if _sees_host("pid", INITIAL_PID_NS) else {}
    libc: Any = ctypes.CDLL(None)
    if _sees_host("user", INITIAL_USER_NS):
        setresuid, setresgid = _SETRESUID_SETRESGID.get(platform.machine(), (-1, -1))
        for call, name, first in ((setresgid, "gid", _NOBODYS + 2), (setresuid, "uid", _NOBODYS)):
            if libc.syscall(ctypes.c_long(call), ctypes.c_uint(first), _KEEP, ctypes.c_uint(first + 1)) == 0:
                facts[name] = first
    header, words = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()  # two of effective, permitted, inheritable
    if libc.capget(header, words) == 0:
        words[0] &= ~(1 << _CAP_LEASE)
        libc.capset(header, words)
    status = status_fields(read_text(Path("/proc/thread-self/status")) or "")
    return facts | {name: int(status[shown], 16) for name, shown in (("cap_effective", "CapEff"), ("cap_permitted", "CapPrm")) if shown in status}
