# SPDX-License-Identifier: Apache-2.0
"""
The numbers of an act as people name them: flags, errors, capabilities, addresses, terminals.

One function per event kind makes the ``act`` of a finding (`contract.finding`)
from an event's own fields; everything about the process is in
`sensor.engine.findings`. Numbers without a name stay numbers: nothing is guessed.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from sensor.core.escape import lossless
from sensor.events.common import FrameFlag, Lane
from sensor.events.registry import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.finding import Act, ActConnect, ActExec, ActFlood, ActOpen, Endpoint

KEPT = 1_024
"""Translations remembered; a node sees a few dozen sets of flags and capabilities, and few peers at a time."""

_KIND_NAMES = {spec.number: spec.name for spec in KINDS}
_FS_PATH = int(FrameFlag.FS_PATH)

_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
# Names of flags that contain other flags come first. os.O_… are this machine's values: they differ between architectures.
_OPEN_FLAGS = (
    ("O_TMPFILE", os.O_TMPFILE),
    ("O_SYNC", os.O_SYNC),
    *(
        (name, getattr(os, name))
        for name in (
            *("O_CREAT", "O_EXCL", "O_NOCTTY", "O_TRUNC", "O_APPEND", "O_NONBLOCK", "O_DSYNC", "O_ASYNC"),
            *("O_DIRECT", "O_DIRECTORY", "O_NOFOLLOW", "O_NOATIME", "O_CLOEXEC", "O_PATH"),
        )
    ),
)
_O_ACCMODE = 3

# include/uapi/linux/capability.h; the place is the bit
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE"),
    *("NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT"),
    *("SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE"),
    *("AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"),
    *("PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)

_FAMILIES = {int(socket.AF_UNIX): "unix", int(socket.AF_INET): "inet", int(socket.AF_INET6): "inet6"}
# include/uapi/linux/in.h
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite", 255: "raw", 262: "mptcp"}

# Documentation/admin-guide/devices.txt: 136 to 143 Unix98 pseudo-terminals, 4 virtual consoles and serial ports, 5 tty, console
_PTS_MAJORS = range(136, 144)
_SERIAL_FROM = 64
_MINOR_BITS = 20


def error_name(ret: int) -> str | None:
    """Return the name of the error in a return value (-2 → ENOENT), its number when it has none, None for a success."""
    return None if ret >= 0 else errno.errorcode.get(-ret, str(-ret))


@lru_cache(KEPT)
def open_flags(flags: int) -> tuple[str, ...]:
    """Return the names of an open's flags, the access mode first, unnamed bits (O_LARGEFILE) as one hexadecimal number."""
    names = [_ACCESS[flags & _O_ACCMODE]]
    left = flags & ~_O_ACCMODE
    for name, bits in _OPEN_FLAGS:
        if bits and left & bits == bits:
            names.append(name)
            left &= ~bits
    return (*names, hex(left)) if left else tuple(names)


@lru_cache(KEPT)
def capability_names(bits: int) -> tuple[str, ...]:
    """Return the names of a set of capabilities, ``CAP_CHOWN`` first; a bit newer than this build is ``CAP_<number>``."""
    named = tuple(f"CAP_{name}" for at, name in enumerate(_CAPABILITIES) if bits >> at & 1)
    return named + tuple(f"CAP_{at}" for at in range(len(_CAPABILITIES), 64) if bits >> at & 1)


@lru_cache(KEPT)
def tty_name(device: int) -> str | None:
    """Return a terminal's name below /dev from ``major << 20 | minor``, ``major:minor`` when it is of another kind, None for none."""
    if not device:
        return None
    major, minor = device >> _MINOR_BITS, device & ((1 << _MINOR_BITS) - 1)
    if major in _PTS_MAJORS:
        return f"pts/{((major - _PTS_MAJORS.start) << 8) + minor}"
    if major == 4:  # noqa: PLR2004  # TTY_MAJOR, include/uapi/linux/major.h
        return f"tty{minor}" if minor < _SERIAL_FROM else f"ttyS{minor - _SERIAL_FROM}"
    return {(5, 0): "tty", (5, 1): "console"}.get((major, minor), f"{major}:{minor}")


@lru_cache(KEPT)
def address_text(packed: bytes) -> str:
    """Return an address of 16 bytes as text, an IPv4-mapped one as IPv4."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _endpoint(packed: bytes, port: int) -> Endpoint:
    return {"address": address_text(packed), "port": port}


def _open(event: Any) -> ActOpen:  # noqa: ANN401  # event classes are generated
    ret: int = event.ret
    creates = event.open_flags & os.O_CREAT or event.open_flags & os.O_TMPFILE == os.O_TMPFILE
    return {
        "kind": "open",
        "result": "succeeded" if ret >= 0 else "failed",
        "errno": error_name(ret),
        "path": lossless(event.path) if ret >= 0 or event.path else None,
        "asked": lossless(event.asked),
        "fs_path": lossless(event.fs_path) if event.flags & _FS_PATH else None,
        "flags": list(open_flags(event.open_flags)),
        "mode": f"{event.open_mode & 0o7777:04o}" if creates else None,
        "fd": ret if ret >= 0 else None,
        "inode": event.inode or None,
    }


def _exec(event: Any) -> ActExec:  # noqa: ANN401  # event classes are generated
    ret: int = event.ret
    return {
        "kind": "exec",
        "result": "succeeded" if ret >= 0 else "failed",
        "errno": error_name(ret),
        "path": lossless(event.exe_path) if ret >= 0 else None,
        "asked": lossless(event.asked),
        "fs_path": lossless(event.fs_path) if event.flags & _FS_PATH else None,
        "interpreter": lossless(event.interpreter) if event.interpreter else None,
    }


def _connect(event: Any) -> ActConnect:  # noqa: ANN401  # event classes are generated
    ret: int = event.ret
    is_unix = event.family == socket.AF_UNIX
    name: bytes = event.unix_path
    abstract = name.startswith(b"\0")
    return {
        "kind": "connect",
        "result": "succeeded" if ret >= 0 or ret == -errno.EINPROGRESS else "failed",
        "errno": error_name(ret),
        "path": lossless(name[1:] if abstract else name.split(b"\0", 1)[0]) if is_unix else None,  # a path ends at its NUL (unix(7))
        "family": _FAMILIES.get(event.family) or str(event.family),
        "protocol": None if is_unix else _PROTOCOLS.get(event.protocol, str(event.protocol)),
        "peer": None if is_unix else _endpoint(event.daddr, event.dport),
        "local": None if is_unix else _endpoint(event.saddr, event.sport),
        "abstract": abstract,
        "fd": event.fd if event.fd >= 0 else None,
    }


def _flood(event: Any) -> ActFlood:  # noqa: ANN401  # event classes are generated
    return {
        "kind": "flood",
        "dropped": event.dropped,
        "flooded_kind": _KIND_NAMES.get(event.flooded_kind, str(event.flooded_kind)),
        "flooded_lane": "reserved" if event.flooded_lane == Lane.RESERVED else "common",
    }


ACTS: dict[str, Callable[[Any], Act]] = {"open": _open, "exec": _exec, "connect": _connect, "flood": _flood}
"""Event kind → what makes its act. Kinds that are bookkeeping only (exit) make no finding."""
