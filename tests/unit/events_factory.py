# SPDX-License-Identifier: Apache-2.0
"""
Events for tests, without frames and without the decoder.

`make_event` gives an object with one attribute per member of the kind's spec,
as `sensor.events.decode` would: every default is a plausible success on the
host, so that a test names only what it is about. Strings are taken for bytes;
a name that the spec does not have is a mistake in the test and is refused.
"""

from __future__ import annotations

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

from sensor.events.around import NOTHING
from sensor.events.common import HEADER, PROCESS, SHARED_TAILS
from sensor.events.decode import Ancestor
from sensor.events.dimensions import Profile
from sensor.events.registry import KINDS

SPECS = {spec.name: spec for spec in KINDS}

DEFAULTS: dict[str, Any] = {
    "ts_ns": 1_000_000_000,
    "generation": 1,
    "candidates": (1 << 256) - 1,
    "cgroup_id": 77,
    "start_ns": 900_000_000,
    "tgid": 1000,
    "tid": 1000,
    "ppid": 999,
    "ns_tgid": 1000,
    "sid": 999,
    "pgid": 1000,
    "ns_pgid": 1000,
    "uid": 1000,
    "gid": 1000,
    "euid": 1000,
    "egid": 1000,
    "loginuid": 0xFFFFFFFF,
    "mnt_ns": 4026531841,
    "pid_ns": 4026531836,
    "net_ns": 4026531840,
    "user_ns": 4026531837,
    "profile": int(Profile.HOST),
    "comm": b"cat",
    "pcomm": b"bash",
    "ancestors": ((999, b"bash"), (500, b"sshd"), (1, b"systemd")),
    "ancestors_count": 3,
    "exe_path": b"/usr/bin/cat",
    "cwd": b"/home/user",
    "cgroup_path": b"/user.slice",
    "cmdline": b"cat\0/etc/hosts\0",
}

KIND_DEFAULTS: dict[str, dict[str, Any]] = {
    "exec": {"asked": b"/usr/bin/cat"},
    "open": {"ret": 3, "dirfd": -100, "syscall": 257, "path": b"/etc/hosts", "asked": b"/etc/hosts", "inode": 4711},
    "connect": {"fd": 3, "family": 2, "protocol": 6, "dport": 443, "sport": 40000, "daddr": "192.0.2.7", "saddr": "192.0.2.1"},
}

WORKLOADS = {
    Profile.HOST: {"container_id": "", "runtime": "", "pod_uid": ""},
    Profile.CONTAINER: {"container_id": "c0ffee" * 10 + "0123", "runtime": "containerd", "pod_uid": "8c1c7ad4-0000-4000-8000-000000000001"},
    Profile.UNKNOWN: {"container_id": "", "runtime": "", "pod_uid": ""},
}


def address_bytes(text: str) -> bytes:
    """Return an address as frames carry it: 16 bytes, IPv4 as ``::ffff:a.b.c.d``."""
    address = ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def make_workload(profile: Profile = Profile.HOST, **overrides: Any) -> SimpleNamespace:
    """Return what the agent puts into an event's ``workload`` slot."""
    return SimpleNamespace(**{"profile": profile, "pod": None, "container": None, **WORKLOADS[profile], **overrides})


def make_event(kind: str, *, workload: Any = None, container: bool = False, **overrides: Any) -> Any:
    """
    Return an event of *kind* with *overrides* on top of the defaults.

    *container* puts it into a container (profile, workload and container id);
    *workload* replaces the workload as a whole. Text is given as str or bytes,
    ``daddr`` and ``saddr`` also as an address in text.
    """
    spec = SPECS[kind]
    fields = (*HEADER, *PROCESS, *spec.fields)
    tails = (*SHARED_TAILS, *spec.tails)
    values: dict[str, Any] = {}
    for field in fields:
        is_bytes = field.count > 1 and field.name != "candidates"
        values[field.name] = (b"" if field.text else bytes(field.count)) if is_bytes else 0
    values |= {tail.name: b"" for tail in tails}
    values["kind"] = spec.number
    known = set(values)
    values |= {name: value for name, value in {**DEFAULTS, **KIND_DEFAULTS.get(kind, {})}.items() if name in known}
    if unknown := set(overrides) - known:
        raise TypeError(f"{kind} has no {sorted(unknown)}")
    for name, value in overrides.items():
        if name in {"daddr", "saddr"} and isinstance(value, str):
            values[name] = address_bytes(value)
        else:
            values[name] = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    for name in ("daddr", "saddr"):
        if isinstance(values.get(name), str):
            values[name] = address_bytes(values[name])
    if workload is None:
        workload = make_workload(Profile.CONTAINER if container else Profile.HOST)
    if "profile" not in overrides:
        values["profile"] = int(workload.profile)
    if "ancestors" in overrides and "ancestors_count" not in overrides:
        values["ancestors_count"] = len(values["ancestors"])
    return _Event(kind_name=kind, workload=workload, around=NOTHING, **values)


class _Event(SimpleNamespace):
    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """What the frame would have of ``ancestors``."""
        return tuple(make_ancestor(tgid, comm) for tgid, comm in self.ancestors)


def make_ancestor(tgid: int, comm: bytes = b"sh", **overrides: int) -> Ancestor:
    """Return an ancestor as `decode` does; it began at 100 ms."""
    values = {"start_ns": 100_000_000, "arg_start": 0x7FFF0000, "exe_inode": 77, "exe_dev": 8 << 20 | 1}
    return Ancestor(tgid=tgid, comm=comm, **values | overrides)
