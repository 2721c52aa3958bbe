# SPDX-License-Identifier: Apache-2.0
"""
How a field's value is read from an event: one small function each.

They run for every candidate rule of every event, so they are plain attribute
reads and do not validate. They return the value, None where the event has no
such thing, or an `Unknown`; `sensor.rulelang.fields` says which field is which
and documents it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from sensor.core.privileges import INITIAL_USER_NS
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.rulelang.values import UNKNOWN, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    Getter = Callable[[Any], Any]

AT_FDCWD = -100
"""fcntl.h: the working directory instead of a descriptor."""

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
NO_LOGIN = 0xFFFFFFFF
"""loginuid of a process that nobody logged in for."""

O_PATH = getattr(os, "O_PATH", 0o10000000)

_PATH_CUT = int(FrameFlag.PATH_CUT)
_EXE_CUT = int(FrameFlag.EXE_CUT)
_CWD_CUT = int(FrameFlag.CWD_CUT)
_ASKED_UNKNOWN = int(FrameFlag.ASKED_CUT | FrameFlag.ASKED_FAULTED)
_CMDLINE_FAULTED = int(FrameFlag.CMDLINE_FAULTED)
_EXE_DETACHED = int(FrameFlag.EXE_DETACHED)
_FLAGS_UNSURE = int(FrameFlag.FLAGS_UNSURE)

OPEN_SYSCALLS = {2: b"open", 85: b"creat", 257: b"openat", 437: b"openat2", 56: b"openat"}
"""Numbers of x86-64, and arm64's openat; what they share means the same (asm/unistd_64.h, asm-generic/unistd.h)."""

MAPPED = b"\0" * 10 + b"\xff\xff"
"""Beginning of an IPv4 address in IPv6 form."""

CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK "
    "IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()
"""In the order of their bits (include/uapi/linux/capability.h)."""


def event_type(event: Any) -> Any:
    """evt.type."""
    kind = event.kind_name
    if kind == "open":
        return OPEN_SYSCALLS.get(event.syscall, b"openat")
    return b"execve" if kind == "exec" else b"connect" if kind == "connect" else None


def failed(event: Any) -> bool:
    """evt.failed: a connect under way is no failure."""
    return bool(event.ret < 0 and not (event.ret == -errno.EINPROGRESS and event.kind_name == "connect"))


def result_name(event: Any) -> bytes:
    """evt.res."""
    return b"SUCCESS" if event.ret >= 0 else errno.errorcode.get(-event.ret, str(event.ret)).encode()


def return_value(event: Any) -> Any:
    """evt.rawres."""
    return event.ret


def asked(event: Any) -> Any:
    """fd.nameraw, evt.arg.filename: text as the program gave it."""
    return UNKNOWN if event.flags & _ASKED_UNKNOWN else event.asked


def _asked_path(event: Any) -> Any:
    """Return what a failed open asked for as a path, below the working directory when relative; no link is followed."""
    if event.flags & _ASKED_UNKNOWN:
        return UNKNOWN
    text = event.asked
    if text.startswith(b"/"):
        return plain_path(text)
    if event.dirfd != AT_FDCWD or event.flags & _CWD_CUT:
        known = plain_path(b"/" + text)
        return Unknown(known) if known != b"/" else UNKNOWN
    return plain_path(event.cwd + b"/" + text)


def plain_path(path: bytes) -> bytes:
    """Return an absolute *path* as rules spell it: without empty components, ``.`` and ``..``, which are taken out as text; no link is followed."""
    if b"//" not in path and b"/." not in path and not path.endswith(b"/"):
        return path
    return b"/" + os.path.normpath(path).lstrip(b"/")


def opened_path(event: Any) -> Any:
    """fs.path.name, and fd.name of an open: resolved, or what a failed open asked for."""
    path = event.path
    if path:
        return Unknown(path) if event.flags & _PATH_CUT else path
    return UNKNOWN if event.ret >= 0 else _asked_path(event)


def fd_name(event: Any) -> Any:
    """fd.name."""
    if event.kind_name == "open":
        return opened_path(event)
    if event.family == AF_UNIX:
        path = event.unix_path
        return b"@" + path[1:] if path[:1] == b"\0" else path.split(b"\0", 1)[0] or None  # a path ends at its NUL, an abstract name does not (unix(7))
    if event.family in (AF_INET, AF_INET6):
        return b"%s:%d->%s:%d" % (_address_text(event.saddr), event.sport, _address_text(event.daddr), event.dport)
    return None


def _address_text(packed: bytes) -> bytes:
    """Return an address as text (inet_ntop)."""
    import ipaddress  # noqa: PLC0415  # only output needs it

    if packed.startswith(MAPPED):
        return str(ipaddress.IPv4Address(packed[12:])).encode()
    return str(ipaddress.IPv6Address(packed)).encode()


def file_name(event: Any) -> Any:
    """fd.filename: the last component."""
    path = opened_path(event)
    if path.__class__ is Unknown:
        return path.suffix.rsplit(b"/", 1)[1] if b"/" in path.suffix else UNKNOWN
    return path.rsplit(b"/", 1)[-1]


def file_directory(event: Any) -> Any:
    """fd.directory: without a slash at its end, unless it is the root."""
    path = opened_path(event)
    if path.__class__ is Unknown:
        return Unknown(path.suffix.rsplit(b"/", 1)[0]) if b"/" in path.suffix else UNKNOWN
    return path.rsplit(b"/", 1)[0] or b"/" if b"/" in path else None


def descriptor(event: Any) -> int:
    """fd.num."""
    if event.kind_name == "open":
        return int(event.ret) if event.ret >= 0 else -1
    return int(event.fd)


def type_char(event: Any) -> Any:
    """fd.typechar; an IPv6 socket to an IPv4-mapped peer is both."""
    if event.kind_name == "open":
        if event.flags & _FLAGS_UNSURE:
            return (b"d", b"f")
        return (b"d",) if event.open_flags & os.O_DIRECTORY else (b"f",)
    if event.family == AF_INET6:
        return (b"4", b"6") if event.daddr.startswith(MAPPED) else (b"6",)
    return {AF_INET: (b"4",), AF_UNIX: (b"u",)}.get(event.family)


_TYPE_WORDS = {b"f": b"file", b"d": b"directory", b"4": b"ipv4", b"6": b"ipv6", b"u": b"unix"}


def type_word(event: Any) -> Any:
    """fd.type."""
    letters = type_char(event)
    return letters and tuple(_TYPE_WORDS[letter] for letter in letters)


def protocol(event: Any) -> Any:
    """fd.l4proto."""
    return {6: b"tcp", 17: b"udp", 1: b"icmp", 58: b"icmp", 255: b"raw"}.get(event.protocol) if event.family != AF_UNIX else None


def socket_family(event: Any) -> Any:
    """fd.sockfamily."""
    return b"unix" if event.family == AF_UNIX else b"ip" if event.family in (AF_INET, AF_INET6) else None


def _is_ip(event: Any) -> bool:
    return event.family in (AF_INET, AF_INET6)


def peer_address(event: Any) -> Any:
    """fd.rip, fd.sip."""
    return (event.family == AF_INET6, int.from_bytes(event.daddr, "big")) if _is_ip(event) else None


def own_address(event: Any) -> Any:
    """fd.lip, fd.cip."""
    return (event.family == AF_INET6, int.from_bytes(event.saddr, "big")) if _is_ip(event) else None


def both_addresses(event: Any) -> Any:
    """fd.ip, fd.net."""
    return (own_address(event), peer_address(event)) if _is_ip(event) else None


def peer_port(event: Any) -> Any:
    """fd.rport, fd.sport."""
    return event.dport if _is_ip(event) else None


def own_port(event: Any) -> Any:
    """fd.lport, fd.cport."""
    return event.sport if _is_ip(event) else None


def both_ports(event: Any) -> Any:
    """fd.port."""
    return (event.sport, event.dport) if _is_ip(event) else None


def exe_path(event: Any) -> Any:
    """proc.exepath; after a failed exec the image that goes on."""
    path = event.exe_path
    return (Unknown(path) if event.flags & _EXE_CUT or _has_own_mounts(event) else path) if path else None


def _has_own_mounts(event: Any) -> bool:
    """
    Whether a user of the node may have put any program under any path, seen from the process.

    Everybody may make a user namespace and mount in it (user_namespaces(7)), so that /usr/bin/sudo is a program of theirs.
    What an exec is about is classified by its path in the kernel and stays as it is.
    """
    return event.user_ns not in (0, INITIAL_USER_NS) and event.kind_name != "exec" and event.workload.profile != Profile.CONTAINER


def from_memfd(event: Any) -> bool:
    """proc.is_exe_from_memfd."""
    return bool(event.flags & _EXE_DETACHED and b"memfd:" in event.exe_path[:8])


def _words(event: Any) -> list[bytes]:
    text = event.cmdline
    return (text[:-1] if text[-1:] == b"\0" else text).split(b"\0") if text else []


def first_argument(event: Any) -> Any:
    """proc.exe."""
    return UNKNOWN if event.flags & _CMDLINE_FAULTED else (_words(event) or [event.comm])[0]


def arguments(event: Any) -> Any:
    """proc.args."""
    return UNKNOWN if event.flags & _CMDLINE_FAULTED else b" ".join(_words(event)[1:])


def command_line(event: Any) -> Any:
    """proc.cmdline: the process's name and its arguments."""
    return UNKNOWN if event.flags & _CMDLINE_FAULTED else b" ".join([event.comm, *_words(event)[1:]])


def exe_line(event: Any) -> Any:
    """proc.exeline."""
    return UNKNOWN if event.flags & _CMDLINE_FAULTED else b" ".join(_words(event))


def argument_count(event: Any) -> int:
    """proc.cmdnargs."""
    return max(0, len(_words(event)) - 1)


def arguments_length(event: Any) -> int:
    """proc.cmdlenargs."""
    return sum(map(len, _words(event)[1:]))


def working_directory(event: Any) -> Any:
    """proc.cwd: ends with a slash, as Falco has it."""
    cwd = event.cwd
    if not cwd:
        return None
    if cwd[-1:] != b"/":
        cwd += b"/"
    return Unknown(cwd) if event.flags & _CWD_CUT else cwd


def parent_name(event: Any) -> Any:
    """proc.pname."""
    return event.pcomm or None


def ancestor_names(event: Any) -> Any:
    """proc.aname without an argument: all parents told."""
    return tuple(comm for _tgid, comm in event.ancestors) or None


def ancestor_ids(event: Any) -> Any:
    """proc.apid without an argument."""
    return tuple(tgid for tgid, _comm in event.ancestors) or None


def ancestor_name(index: int) -> Getter:
    """proc.aname[n]: 0 is the process, 1 its parent."""
    if index == 0:
        return lambda event: event.comm
    return lambda event: event.ancestors[index - 1][1] if len(event.ancestors) >= index else None


def ancestor_id(index: int) -> Getter:
    """proc.apid[n]."""
    if index == 0:
        return lambda event: event.tgid
    return lambda event: event.ancestors[index - 1][0] if len(event.ancestors) >= index else None


def login_uid(event: Any) -> int:
    """user.loginuid: -1 when never set."""
    return -1 if event.loginuid == NO_LOGIN else int(event.loginuid)


def capability_names(bits: int) -> bytes:
    """Return the names of a capability set, as Falco prints it."""
    return b" ".join(b"CAP_" + name.encode() for number, name in enumerate(CAPABILITIES) if bits >> number & 1)


def container_full_id(event: Any) -> Any:
    """container.full_id; a container whose id nobody could tell is still none of the host's."""
    workload = event.workload
    if workload.profile == Profile.HOST:
        return b"host"
    return (workload.container_id.encode() or b"<NA>") if workload.profile == Profile.CONTAINER else UNKNOWN


def container_id(event: Any) -> Any:
    """container.id: the first 12 characters, or "host"."""
    full = container_full_id(event)
    return full if full is UNKNOWN else full[:12]


def container_runtime(event: Any) -> Any:
    """container.type."""
    workload = event.workload
    if workload.profile == Profile.HOST:
        return b"host"
    return workload.runtime.encode() or None if workload.profile == Profile.CONTAINER else UNKNOWN


def age_ns(event: Any) -> int:
    """proc.duration."""
    return max(0, int(event.ts_ns) - int(event.start_ns))


def time_since_boot(event: Any) -> bytes:
    """evt.time."""
    return b"%d.%09d" % divmod(event.ts_ns, 1_000_000_000)


def attribute(name: str) -> Getter:
    """Return the getter of an event's member."""
    return lambda event: getattr(event, name)


def text_of(getter: Getter) -> Getter:
    """Return a getter that gives a number as text, for arguments printed by name."""

    def get(event: Any) -> Any:
        value = getter(event)
        return value if value is None or isinstance(value, (bytes, Unknown)) else str(value).encode()

    return get
