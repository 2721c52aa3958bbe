# SPDX-License-Identifier: Apache-2.0
"""
Events made from field values: what the cases of a rule are written in.

``{evt.type: openat, fd.name: /etc/shadow, proc.name: cat}`` becomes an event
that the fields read back as given; everything not named is a plausible act on
the host. A field that no member of an event stands for is refused, so that a
case never tests less than it says.
"""

from __future__ import annotations

import errno
import os
import re
from ipaddress import ip_address
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sensor.core.escape import raw
from sensor.core.privileges import INITIAL_USER_NS
from sensor.events.around import Account, Around, Image
from sensor.events.common import HEADER, PROCESS, SHARED_TAILS, FrameFlag
from sensor.events.decode import Ancestor
from sensor.events.dimensions import Profile
from sensor.events.registry import KINDS
from sensor.rulelang.getters import AF_INET, AF_INET6, AF_UNIX, CAPABILITIES, MAPPED, NO_LOGIN, OPEN_SYSCALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.rulelang.values import Event

_SPECS = {spec.name: spec for spec in KINDS}
_KIND_OF = {"execve": "exec", "execveat": "exec", "connect": "connect", **{name.decode(): "open" for name in OPEN_SYSCALLS.values()}}
_NUMBER_OF = {name.decode(): number for number, name in reversed(OPEN_SYSCALLS.items())}
_ARGUMENT = re.compile(r"(proc\.(?:aname|apid|aexe|aexepath|acmdline))\[\d\]|(k8s\.pod\.label)\[[^\]]+\]")

_PLAUSIBLE: dict[str, Any] = {
    "ts_ns": 2_000_000_000, "start_ns": 1_000_000_000, "candidates": (1 << 256) - 1, "tgid": 1000, "tid": 1000, "ppid": 900, "ns_tgid": 1000, "sid": 900,
    "pgid": 900, "ns_pgid": 900,
    "uid": 1000, "gid": 1000, "euid": 1000, "egid": 1000, "loginuid": 0xFFFFFFFF, "comm": b"program", "pcomm": b"parent", "exe_path": b"/opt/program",
    "cwd": b"/", "cmdline": b"program\0", "ancestors": ((900, b"parent"),), "ancestors_count": 1, "dirfd": -100, "family": AF_INET, "protocol": 6,
    "daddr": MAPPED + bytes((192, 0, 2, 1)), "saddr": MAPPED + bytes((192, 0, 2, 2)), "dport": 443, "sport": 40000, "fd": 3, "path": b"/opt/file",
    "asked": b"/opt/file",
}  # fmt: skip


_HOST_WORKLOAD: dict[str, Any] = {"profile": Profile.HOST, "container_id": "", "runtime": "", "pod_uid": "", "pod": None, "container": None}
_CONTAINER: dict[str, Any] = {
    "name": "app",
    "image": "registry.example/app",
    "tag": "1",
    "digest": "sha256:" + "0" * 64,
    "started_ns": 10**18,
    "privileged": False,
}
_POD: dict[str, Any] = {
    "uid": "8c1c7ad4-0000-4000-8000-000000000001", "namespace": "default", "name": "app", "are_labels_whole": True, "owner": None, "replica_set": "",
    "ip": "192.0.2.3",
}  # fmt: skip


class UnsettableFieldError(ValueError):
    """No member of an event stands for the field, or the value is not one it can have."""


def event_of(values: Mapping[str, str], flags: int = 0) -> Event:
    """
    Return the event that *values* (field → text) describe; ``evt.type`` must be among them.

    Raises:
        UnsettableFieldError: with the field's name and what is wrong.
    """
    kind_name = _KIND_OF.get(values.get("evt.type", ""))
    if kind_name is None:
        raise UnsettableFieldError(f"evt.type is one of {', '.join(sorted(_KIND_OF))}")
    event = _blank(kind_name)
    event.flags = flags
    for field in sorted(values, key=_order):
        setter = _SETTERS.get(_ARGUMENT.sub(r"\1\2[]", field))
        if setter is None:
            raise UnsettableFieldError(f"{field} cannot be given in a case")
        try:
            setter(event, values[field], field)
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            raise UnsettableFieldError(f"{field}: {values[field]!r} is not a value it can have") from error
    return event


_FIRST = (
    *("evt.type", "fd.typechar", "container.id", "proc.name", "proc.cmdline", "evt.arg.flags", "fd.name", "proc.pname"),
    *("user.uid", "user.loginuid", "group.gid", "proc.sid", "proc.pcmdline"),
)
"""What other fields are put on top of, in this order."""


def _order(field: str) -> int:
    return _FIRST.index(field) if field in _FIRST else len(_FIRST)


def _blank(kind_name: str) -> SimpleNamespace:
    spec = _SPECS[kind_name]
    members: dict[str, Any] = {field.name: b"" if field.text else bytes(field.count) if field.count > 1 else 0 for field in (*HEADER, *PROCESS, *spec.fields)}
    members |= {tail.name: b"" for tail in (*SHARED_TAILS, *spec.tails)}
    members |= {name: value for name, value in _PLAUSIBLE.items() if name in members}
    members |= {"kind": spec.number, "ret": 3 if kind_name == "open" else 0, "syscall": 257}
    return _Event(kind_name=kind_name, workload=SimpleNamespace(**_HOST_WORKLOAD), around=_Given(), **members)


class _Event(SimpleNamespace):
    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """What a frame has of the ancestors."""
        return tuple(Ancestor(500_000_000, 1, 1, tgid, 1, comm) for tgid, comm in self.ancestors)


class _Given(Around):
    """Everything is known, and plain where a case does not say it."""

    def __init__(self) -> None:
        self.images: dict[int, Image] = {}
        self.users: dict[int, Account] = {}
        self.groups: dict[int, Account] = {}

    def image(self, one: Ancestor) -> Image:
        """See `Around`."""
        return self.images.get(one.tgid, Image(b"/opt/ancestor", one.comm + b"\0", INITIAL_USER_NS))

    def user(self, _event: Event, uid: int) -> Account:
        """See `Around`."""
        return self.users.get(uid, Account(b"user", b"/home/user", b"/bin/sh"))

    def group(self, _event: Event, gid: int) -> Account:
        """See `Around`."""
        return self.groups.get(gid, Account(b"group"))

    def born_ns(self, start_ns: int) -> int:
        """See `Around`."""
        return 10**18 + start_ns


def _bytes(text: str) -> bytes:
    return raw(text)  # \xHH is a byte, as findings show it


def _member(name: str, convert: Callable[[str], Any]) -> Callable[[Event, str, str], None]:
    def put(event: Event, text: str, field: str) -> None:
        if not hasattr(event, name):
            raise UnsettableFieldError(f"{field}: {event.kind_name} events do not have it")
        setattr(event, name, convert(text))

    return put


def _type(event: Event, text: str, _field: str) -> None:
    event.syscall = _NUMBER_OF.get(text, 257)


def _name(event: Event, text: str, _field: str) -> None:
    event.comm = _bytes(text)[:15]
    event.cmdline = event.comm + b"\0"


def _parent(event: Event, text: str, _field: str) -> None:
    event.pcomm = _bytes(text)[:15]
    event.ancestors = ((event.ppid, event.pcomm), *event.ancestors[1:])


def _ancestor(event: Event, text: str, field: str) -> None:
    at = int(field[-2]) - 1
    _reach(event, at + 1)
    chain = list(event.ancestors)
    tgid, comm = chain[at]
    chain[at] = (int(text), comm) if field.startswith("proc.apid") else (tgid, _bytes(text)[:15])
    event.ancestors = tuple(chain)


def _of_image(member: str) -> Callable[[Event, str, str], None]:
    """Put a value of the program that an ancestor runs; what has no number is the parent's."""

    def put(event: Event, text: str, field: str) -> None:
        at = int(field[-2]) if field.endswith("]") else 1
        if not at:
            raise UnsettableFieldError(f"{field}: give the process's own field")
        _reach(event, at)
        one = event.lineage[at - 1]
        image = event.around.image(one)
        data = _bytes(text)
        if member == "cmdline":
            data = b"\0".join(data.split()) + b"\0"
        elif member == "argv0":
            data = b"\0".join([data, *(image.cmdline or b"\0").split(b"\0")[1:]])
        event.around.images[one.tgid] = image._replace(**{"exe_path" if member == "exe_path" else "cmdline": data})

    return put


def _reach(event: Event, at: int) -> None:
    """Let the process have *at* ancestors, if it has fewer."""
    event.ancestors = (*event.ancestors, *((100 + one, b"ancestor") for one in range(len(event.ancestors), at)))
    event.ancestors_count = len(event.ancestors)


def _user(event: Event, text: str, _field: str) -> None:
    event.around.users[event.euid] = Account(_bytes(text), b"/home/" + _bytes(text), b"/bin/sh")


def _login(event: Event, text: str, _field: str) -> None:
    if event.loginuid == NO_LOGIN:
        event.loginuid = event.euid
    event.around.users[event.loginuid] = Account(_bytes(text))


def _group(event: Event, text: str, _field: str) -> None:
    event.around.groups[event.egid] = Account(_bytes(text))


def _session(event: Event, text: str, _field: str) -> None:
    event.ancestors = tuple((tgid, _bytes(text)[:15] if tgid == event.sid else comm) for tgid, comm in event.ancestors)


def _arguments(event: Event, text: str, _field: str) -> None:
    event.cmdline = b"\0".join([event.cmdline.split(b"\0")[0], *_bytes(text).split()]) + b"\0"


def _command(event: Event, text: str, _field: str) -> None:
    event.cmdline = b"\0".join(_bytes(text).split()) + b"\0"


def _exe(event: Event, text: str, _field: str) -> None:
    event.cmdline = b"\0".join([_bytes(text), *event.cmdline.split(b"\0")[1:]])


def _path(event: Event, text: str, field: str) -> None:
    if event.kind_name == "connect" and event.family == AF_UNIX:
        event.unix_path = _bytes(text)
    elif event.kind_name == "open":
        event.path = event.asked = _bytes(text)
    else:
        raise UnsettableFieldError(f"{field}: give a connect's addresses and ports, or fd.typechar u")


def _container(event: Event, text: str, _field: str) -> None:
    inside = text != "host"
    profile = Profile.CONTAINER if inside else Profile.HOST
    event.profile = int(profile)
    known = SimpleNamespace(**_CONTAINER) if inside else None
    told = {"profile": profile, "container_id": text if inside else "", "runtime": "containerd" if inside else "", "container": known}
    event.workload = SimpleNamespace(**_HOST_WORKLOAD | told)


def _of_container(name: str, convert: Callable[[str], Any] = str) -> Callable[[Event, str, str], None]:
    """Put a container's value; the act is in a container then."""

    def put(event: Event, text: str, field: str) -> None:
        if event.workload.container is None:
            _container(event, "c0ffee000001", field)
        setattr(event.workload.container, name, convert(text))

    return put


def _of_pod(put_value: Callable[[SimpleNamespace, str, str], None]) -> Callable[[Event, str, str], None]:
    """Put a pod's value; the act is in a container of a pod then."""

    def put(event: Event, text: str, field: str) -> None:
        if event.workload.container is None:
            _container(event, "c0ffee000001", field)
        if event.workload.pod is None:
            event.workload.pod = SimpleNamespace(**_POD | {"labels": {}})
            event.workload.pod_uid = event.workload.pod.uid
        put_value(event.workload.pod, text, field)

    return put


def _deployment(pod: SimpleNamespace, text: str, _field: str) -> None:
    pod.owner, pod.replica_set = ("Deployment", text), f"{text}-5d4f8c7b6"


def _replica_set(pod: SimpleNamespace, text: str, _field: str) -> None:
    pod.replica_set = text


def _label(pod: SimpleNamespace, text: str, field: str) -> None:
    pod.labels[field.partition("[")[2].removesuffix("]")] = text


def _flags(event: Event, text: str, _field: str) -> None:
    event.open_flags = 0
    for name in text.split("|"):
        event.open_flags |= getattr(os, name)


def _reads(event: Event, text: str, _field: str) -> None:
    if (event.open_flags & 3 in (0, 2)) != _truth(text):
        event.open_flags = (event.open_flags & ~3) | (os.O_RDONLY if _truth(text) else os.O_WRONLY)


def _writes(event: Event, text: str, _field: str) -> None:
    if (event.open_flags & 3 in (1, 2)) != _truth(text):
        event.open_flags = (event.open_flags & ~3) | (os.O_WRONLY if _truth(text) else os.O_RDONLY)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _return(event: Event, number: int) -> None:
    event.ret = number
    if event.kind_name == "open" and number < 0:
        event.path = b""


def _result(event: Event, text: str, _field: str) -> None:
    success = 3 if event.kind_name == "open" else 0
    _return(event, success if text == "SUCCESS" else -int(getattr(errno, text)))


def _failed(event: Event, text: str, _field: str) -> None:
    _return(event, -errno.EACCES if _truth(text) else 3 if event.kind_name == "open" else 0)


def _number(event: Event, text: str, _field: str) -> None:
    if event.kind_name == "open":
        _return(event, int(text) if int(text) >= 0 else -errno.ENOENT)
    else:
        event.fd = int(text)


def _address(own: bool) -> Callable[[Event, str, str], None]:
    def put(event: Event, text: str, _field: str) -> None:
        address = ip_address(text)
        packed = address.packed if address.version == 6 else MAPPED + address.packed  # noqa: PLR2004  # IPv6
        if own:
            event.saddr = packed
        else:
            event.daddr = packed
            event.family = AF_INET if packed.startswith(MAPPED) else AF_INET6

    return put


def _family(event: Event, text: str, _field: str) -> None:
    if event.kind_name == "open":
        event.open_flags |= {"f": 0, "d": os.O_DIRECTORY}[text]
    else:
        event.family = {"4": AF_INET, "6": AF_INET6, "u": AF_UNIX}[text]


def _capabilities(event: Event, text: str, _field: str) -> None:
    event.cap_effective = sum(1 << CAPABILITIES.index(name.removeprefix("CAP_")) for name in text.split())


def _memfd(event: Event, text: str, _field: str) -> None:
    if _truth(text):
        event.flags |= int(FrameFlag.EXE_DETACHED)
        event.exe_path = b"memfd:program"


_SETTERS: dict[str, Callable[[Event, str, str], None]] = {
    "evt.type": _type, "evt.arg.flags": _flags, "evt.is_open_read": _reads, "evt.is_open_write": _writes, "evt.res": _result, "evt.failed": _failed,
    "evt.rawres": lambda event, text, _field: _return(event, int(text)),
    "fd.num": _number, "fd.name": _path, "fs.path.name": _path, "fd.nameraw": _member("asked", _bytes), "fs.path.nameraw": _member("asked", _bytes),
    "fd.typechar": _family, "fd.rip": _address(own=False), "fd.sip": _address(own=False), "fd.lip": _address(own=True), "fd.cip": _address(own=True),
    "fd.rport": _member("dport", int), "fd.sport": _member("dport", int), "fd.lport": _member("sport", int), "fd.cport": _member("sport", int),
    "fd.l4proto": _member("protocol", lambda text: {"tcp": 6, "udp": 17, "icmp": 1, "raw": 255}[text]),
    "evt.arg.filename": _member("asked", _bytes), "proc.name": _name, "proc.pname": _parent, "proc.aname[]": _ancestor, "proc.apid[]": _ancestor,
    "proc.pexepath": _of_image("exe_path"), "proc.aexepath[]": _of_image("exe_path"), "proc.pcmdline": _of_image("cmdline"),
    "proc.acmdline[]": _of_image("cmdline"), "proc.pexe": _of_image("argv0"), "proc.aexe[]": _of_image("argv0"), "proc.sname": _session,
    "user.name": _user, "user.loginname": _login, "group.name": _group, "proc.pgid": _member("pgid", int), "proc.vpgid": _member("ns_pgid", int),
    "proc.exepath": _member("exe_path", _bytes), "proc.cmdline": _command, "proc.args": _arguments, "proc.exe": _exe, "proc.cwd": _member("cwd", _bytes),
    "proc.tty": _member("tty_dev", int), "proc.pid": _member("tgid", int), "proc.vpid": _member("ns_tgid", int), "proc.ppid": _member("ppid", int),
    "proc.sid": _member("sid", int), "thread.tid": _member("tid", int), "thread.cap_effective": _capabilities,
    "proc.is_exe_from_memfd": _memfd, "user.uid": _member("euid", int), "group.gid": _member("egid", int),
    "user.loginuid": _member("loginuid", lambda text: int(text) & 0xFFFFFFFF), "container.id": _container,
    "container.name": _of_container("name"), "container.image.repository": _of_container("image"), "container.image.tag": _of_container("tag"),
    "container.image.digest": _of_container("digest"), "container.privileged": _of_container("privileged", _truth),
    "k8s.ns.name": _of_pod(lambda pod, text, _field: setattr(pod, "namespace", text)),
    "k8s.pod.name": _of_pod(lambda pod, text, _field: setattr(pod, "name", text)),
    "k8s.pod.label[]": _of_pod(_label), "k8s.deployment.name": _of_pod(_deployment), "k8s.rs.name": _of_pod(_replica_set),
}  # fmt: skip
"""What puts a field's value into an event."""
