# SPDX-License-Identifier: Apache-2.0
"""
The one table of fields: what a name means here, and what fills it.

Checker, interpreter, code generator, clause derivation, output templates and
the documentation read it. A field that the table does not fill is in
`sensor.rulelang.unfilled`. Where a value differs from Falco's of the same
name the row's text says how; paths are resolved by the kernel here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensor.rulelang import getters as g
from sensor.rulelang import lineagefields as a
from sensor.rulelang import open_flags, unfilled
from sensor.rulelang import podfields as p
from sensor.rulelang.values import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.getters import Getter

KINDS = ("exec", "open", "connect")
"""Event kinds that rules are asked about."""

_ALL = frozenset(KINDS)
_FILE = frozenset({"open"})
_EXEC = frozenset({"exec"})
_NET = frozenset({"connect"})
_FD = _FILE | _NET

TEXT, NUMBER, TRUTH, ADDRESS = FieldType.TEXT, FieldType.NUMBER, FieldType.TRUTH, FieldType.ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One field."""

    name: str
    type: FieldType
    doc: str = ""
    kinds: frozenset[str] = _ALL
    """Event kinds that have it; for others the value is missing."""

    get: Getter | None = None
    """Reads it; None when nothing fills it (or only with an argument)."""

    indexed: Callable[[int], Getter] | None = None
    """Reads it for an argument that is a number."""

    keyed: Callable[[str], Getter] | None = None
    """Reads it for an argument that is any text, without which it is nothing."""

    many: bool = False
    """The value is a tuple: a test holds when it holds for one (``!=``: for each)."""

    unknowable: bool = False
    """The getter may return an `Unknown`."""

    few: bool = False
    """Such an `Unknown` may be one of a few values, which it names (``among``)."""

    missing: bool = False
    """The getter may return None on its own kinds."""

    told: bool = False
    """The API server tells it: without a cluster it is unknown in every container."""

    asked: bool = False
    """It is not in the frame: the event's ``around`` is asked, at once, because later it cannot be told."""

    quotes: bool = False
    """Its text is another process's arguments, in which secrets may stand."""

    path: bool = False
    """Constants are paths, closed under links."""

    comm: bool = False
    """A process name: constants are compared in their first 15 bytes."""

    constant: Any = None
    """The value whatever the event."""

    takes_argument: bool = False
    """Something may stand in brackets."""

    filled: bool = True
    """False: a named limitation of this build."""

    @property
    def is_of_image(self) -> bool:
        """Whether it is about the program of another process: execs are remembered for it."""
        return self.asked and (self.quotes or self.path)


def _f(name: str, kind: FieldType, doc: str, get: Getter | None = None, kinds: frozenset[str] = _ALL, **more: Any) -> FieldSpec:
    return FieldSpec(name=name, type=kind, doc=doc, get=get, kinds=kinds, **more)


def _const(name: str, kind: FieldType, value: Any, doc: str) -> FieldSpec:
    return FieldSpec(name=name, type=kind, doc=doc, get=lambda _event: value, constant=value)


_LATE: dict[str, Any] = {"unknowable": True, "missing": True, "told": True}
"""Missing on the host, unknown until the API server has told."""

_NAMES: dict[str, Any] = {"unknowable": True, "missing": True, "asked": True}
_NAMED = "from the container's own /etc/passwd, else the host's (docs/workloads.md); missing for a number without a line, unknown in a replay"
_PROVED = "known when its exec was seen, or while it lives and runs that program (docs/workloads.md), else unknown"


def _lineage(what: str, doc: str, indexed: Callable[[int], Getter], every: Getter, *, path: bool = False) -> tuple[FieldSpec, FieldSpec]:
    """Return the parent's and the ancestors' field of one of the process's own."""
    more = {**_NAMES, "path": path, "quotes": not path}
    parent = _f(f"proc.p{what}", TEXT, f"{doc} of the parent; {_PROVED}", indexed(1), **more)
    text = f"[n]: {doc} of the n-th ancestor, as proc.aname; each as proc.p{what}"
    return parent, _f(f"proc.a{what}", TEXT, text, every, indexed=indexed, takes_argument=True, many=True, **more)


def _leader(member: str, name: str, prefix: str, group: str) -> tuple[FieldSpec, FieldSpec, FieldSpec]:
    """Return the fields of the leader of a session or group."""
    name_of, exe_of, path_of = a.LEADERS[member]
    known = "known when that is the process itself or one of the ancestors told, else unknown"
    return (
        _f(name, TEXT, f"name of the {group}'s leader; {known}", name_of, unknowable=True, comm=True),
        _f(f"{prefix}.exe", TEXT, f"first argument of the {group}'s leader; as {name} and proc.aexe", exe_of, unknowable=True, asked=True, quotes=True),
        _f(
            f"{prefix}.exepath",
            TEXT,
            f"executable's path of the {group}'s leader; as {name} and proc.aexepath",
            path_of,
            path=True,
            **_NAMES,
        ),
    )


_FILLED = (
    _f("evt.type", TEXT, "name of the call; execve stands for execveat too", g.event_type),
    _f("syscall.type", TEXT, "as evt.type", g.event_type),
    _const("evt.dir", TEXT, b"<", "always <: events are told at the call's end"),
    _const("evt.num", NUMBER, 1, "always 1: events are not numbered"),
    _const("evt.count", NUMBER, 1, "always 1"),
    _const("evt.source", TEXT, b"syscall", "always syscall"),
    _const("evt.is_async", TRUTH, False, "always false"),
    _f("evt.time", TEXT, "seconds since boot with nanoseconds; the finding carries the wall time", g.time_since_boot),
    _f("evt.res", TEXT, "SUCCESS or the errno's name", g.result_name),
    _f("evt.rawres", NUMBER, "return value; negative errno after a failure", g.return_value),
    _f("evt.failed", TRUTH, "true after a failure; a connect under way (EINPROGRESS) is none", g.failed),
    _f("evt.is_open_read", TRUTH, "opened for reading (O_RDONLY or O_RDWR, not O_PATH)", open_flags.is_open_read, _FILE, unknowable=True),
    _f("evt.is_open_write", TRUTH, "opened for writing (O_WRONLY or O_RDWR, not O_PATH)", open_flags.is_open_write, _FILE, unknowable=True),
    _f("evt.is_open_create", TRUTH, "opened with O_CREAT, and it worked; the file may have been there", open_flags.is_open_create, _FILE, unknowable=True),
    _f("evt.is_open_exec", TRUTH, "opened with O_CREAT and a mode with an execute bit", open_flags.is_open_exec, _FILE, unknowable=True),
    _f(
        "fd.name",
        TEXT,
        "path as the kernel resolved it (of a failed open: as asked, in its plain spelling), or saddr:sport->daddr:dport, or the socket's path",
        g.fd_name,
        _FD,
        unknowable=True,
        missing=True,
        path=True,
    ),
    _f("fd.nameraw", TEXT, "path as the program asked for it", g.asked, _FILE, unknowable=True),
    _f("fs.path.name", TEXT, "as fd.name, files only", g.opened_path, _FILE, unknowable=True, path=True),
    _f("fs.path.nameraw", TEXT, "as fd.nameraw", g.asked, _FILE, unknowable=True),
    _f("fd.directory", TEXT, "directory of fd.name, without a slash at its end", g.file_directory, _FILE, unknowable=True, missing=True, path=True),
    _f("fd.filename", TEXT, "last component of fd.name", g.file_name, _FILE, unknowable=True),
    _f("fd.num", NUMBER, "descriptor; -1 after a failed open", g.descriptor, _FD),
    _f("fd.typechar", TEXT, "f file, d directory, 4, 6, u; an IPv6 socket to an IPv4-mapped peer is 4 and 6", g.type_char, _FD, many=True, missing=True),
    _f("fd.type", TEXT, "file, directory, ipv4, ipv6, unix", g.type_word, _FD, many=True, missing=True),
    _f("fd.ino", NUMBER, "inode number of the opened file", g.attribute("inode"), _FILE),
    _f("fd.l4proto", TEXT, "tcp, udp, icmp, raw", g.protocol, _NET, missing=True),
    _f("fd.sockfamily", TEXT, "ip or unix", g.socket_family, _NET, missing=True),
    _const("fd.is_server", TRUTH, False, "always false: connects are told by the client"),
    *(_f(name, ADDRESS, "peer's address", g.peer_address, _NET, missing=True) for name in ("fd.rip", "fd.sip", "fd.rnet", "fd.snet")),
    *(_f(name, ADDRESS, "own address", g.own_address, _NET, missing=True) for name in ("fd.lip", "fd.cip", "fd.lnet", "fd.cnet")),
    *(_f(name, ADDRESS, "either address; != means neither", g.both_addresses, _NET, missing=True, many=True) for name in ("fd.ip", "fd.net")),
    *(_f(name, NUMBER, "peer's port", g.peer_port, _NET, missing=True) for name in ("fd.rport", "fd.sport")),
    *(_f(name, NUMBER, "own port", g.own_port, _NET, missing=True) for name in ("fd.lport", "fd.cport")),
    _f("fd.port", NUMBER, "either port; != means neither", g.both_ports, _NET, missing=True, many=True),
    _f("proc.name", TEXT, "name of the process (of its group leader), at most 15 bytes; longer constants are cut", g.attribute("comm"), comm=True),
    _f("proc.pname", TEXT, "name of the parent process", g.parent_name, missing=True, comm=True),
    _f(
        "proc.aname",
        TEXT,
        "[n]: name of the n-th ancestor (0 the process, 1 its parent); without: any of up to 8 ancestors; != means none of them",
        g.ancestor_names,
        indexed=g.ancestor_name,
        takes_argument=True,
        many=True,
        missing=True,
        comm=True,
    ),
    _f(
        "proc.apid",
        NUMBER,
        "[n]: process id of the n-th ancestor; without: any",
        g.ancestor_ids,
        indexed=g.ancestor_id,
        takes_argument=True,
        many=True,
        missing=True,
    ),
    *_lineage("exe", "first argument (argv[0])", a.first_argument, a.first_arguments),
    *_lineage("exepath", "executable's path", a.exe_path, a.exe_paths, path=True),
    *_lineage("cmdline", "name and arguments", a.command_line, a.command_lines),
    *_leader("sid", "proc.sname", "proc.sid", "session"),
    *_leader("pgid", "proc.pgid.name", "proc.pgid", "process group"),
    *_leader("pgid", "proc.vpgid.name", "proc.vpgid", "process group"),
    _f("proc.exe", TEXT, "first argument (argv[0])", g.first_argument, unknowable=True),
    _f(
        "proc.exepath",
        TEXT,
        "executable's path as the kernel resolved it; after a failed exec the image that goes on",
        g.exe_path,
        unknowable=True,
        missing=True,
        path=True,
    ),
    _f("proc.cmdline", TEXT, "the name and the arguments, at most 2,048 bytes of them", g.command_line, unknowable=True),
    _f("proc.args", TEXT, "the arguments without the first", g.arguments, unknowable=True),
    _f("proc.exeline", TEXT, "all arguments", g.exe_line, unknowable=True),
    _f("proc.cmdnargs", NUMBER, "number of arguments without the first", g.argument_count),
    _f("proc.cmdlenargs", NUMBER, "bytes of the arguments without the first", g.arguments_length),
    _f("proc.pid", NUMBER, "process id, host's namespace", g.attribute("tgid")),
    _f("proc.vpid", NUMBER, "process id, its own namespace", g.attribute("ns_tgid")),
    _f("proc.ppid", NUMBER, "parent's process id", g.attribute("ppid")),
    _f("proc.sid", NUMBER, "session id", g.attribute("sid")),
    _f("proc.pgid", NUMBER, "process group id, host's namespace", g.attribute("pgid")),
    _f("proc.vpgid", NUMBER, "process group id, its own namespace; 0 for a group from outside of it", g.attribute("ns_pgid")),
    _f("proc.is_pgid_leader", TRUTH, "leads its process group", lambda event: event.pgid == event.tgid),
    _f("proc.is_vpgid_leader", TRUTH, "as proc.is_pgid_leader", lambda event: event.pgid == event.tgid),
    _f("proc.is_sid_leader", TRUTH, "leads its session", lambda event: event.sid == event.tgid),
    _f("proc.tty", NUMBER, "controlling terminal (major << 20 | minor); 0 for none", g.attribute("tty_dev")),
    _f("proc.cwd", TEXT, "working directory, ends with a slash", g.working_directory, unknowable=True, missing=True),
    _f("proc.duration", NUMBER, "nanoseconds since the process began", g.age_ns),
    _f("proc.ppid.duration", NUMBER, "nanoseconds since the parent process began", a.parent_age_ns, missing=True),
    _f("proc.pid.ts", NUMBER, "start of the process, ns since 1970, to the millisecond; unknown in a replay", a.start, unknowable=True),
    _f("proc.ppid.ts", NUMBER, "start of the parent process, as proc.pid.ts", a.parent_start, unknowable=True, missing=True),
    _f("proc.is_exe_from_memfd", TRUTH, "the executable is a memfd", g.from_memfd),
    _f("thread.tid", NUMBER, "thread id, host's namespace", g.attribute("tid")),
    _f("thread.ismain", TRUTH, "the acting thread is the first of its process", lambda event: event.tid == event.tgid),
    _f("thread.cap_effective", TEXT, "names of the effective capabilities", lambda event: g.capability_names(event.cap_effective)),
    _f("thread.cap_permitted", TEXT, "names of the permitted capabilities", lambda event: g.capability_names(event.cap_permitted)),
    _f("user.uid", NUMBER, "effective user id", g.attribute("euid")),
    _f("user.name", TEXT, f"name of the effective user; {_NAMED}", a.user_name, **_NAMES),
    _f("user.homedir", TEXT, "home directory of the effective user; as user.name", a.user_home, **_NAMES),
    _f("user.shell", TEXT, "shell of the effective user; as user.name", a.user_shell, **_NAMES),
    _f("user.loginname", TEXT, "name of the audit login id, missing when never set; as user.name", a.login_name, **_NAMES),
    _f("group.name", TEXT, "name of the effective group, from /etc/group; as user.name", a.group_name, **_NAMES),
    _f("user.loginuid", NUMBER, "audit login id, -1 when never set", g.login_uid),
    _f("group.gid", NUMBER, "effective group id", g.attribute("egid")),
    _f("container.id", TEXT, "first 12 characters of the container's id, or host", g.container_id, unknowable=True),
    _f("container.full_id", TEXT, "the container's id, or host", g.container_full_id, unknowable=True),
    _f("container.type", TEXT, "container runtime, or host", g.container_runtime, unknowable=True, missing=True),
    _f("container.name", TEXT, "name in the pod's specification, or host", p.container_name, unknowable=True, told=True),
    _f("container.image", TEXT, "the image's repository, a colon, its tag", p.container_image, **_LATE),
    _f("container.image.repository", TEXT, "the image's repository, registry included", p.container_repository, **_LATE),
    _f("container.image.tag", TEXT, "the image's tag", p.container_tag, **_LATE),
    _f("container.image.digest", TEXT, "digest of the image that runs (sha256:…)", p.container_digest, **_LATE),
    _f("container.privileged", TRUTH, "the container is privileged", p.container_privileged, **_LATE),
    _f("container.start_ts", NUMBER, "start of the container, ns since 1970, to the second", p.container_start_ns, **_LATE),
    _f("k8s.ns.name", TEXT, "namespace of the pod", p.namespace, **_LATE),
    _f("k8s.pod.name", TEXT, "name of the pod", p.pod_name, **_LATE),
    _f("k8s.pod.uid", TEXT, "UID of the pod", p.pod_uid, unknowable=True, missing=True),
    _f("k8s.pod.id", TEXT, "as k8s.pod.uid", p.pod_uid, unknowable=True, missing=True),
    _f("k8s.pod.label", TEXT, "[key]: value of the pod's label of that key", keyed=p.pod_label, takes_argument=True, **_LATE),
    _f("k8s.pod.labels", TEXT, "the pod's labels as key:value, joined by commas", p.pod_labels, **_LATE),
    _f("k8s.pod.ip", TEXT, "address of the pod", p.pod_address, **_LATE),
    _f("k8s.deployment.name", TEXT, "Deployment of the pod: its ReplicaSet's name without the hash of the template", p.deployment, **_LATE),
    _f("k8s.rs.name", TEXT, "ReplicaSet of the pod", p.replica_set, **_LATE),
)

_ARGUMENTS: dict[str, tuple[FieldType, dict[str, Getter]]] = {
    "res": (TEXT, {"exec": g.result_name, "connect": g.result_name}),
    "fd": (TEXT, {"open": g.text_of(g.return_value), "connect": g.text_of(g.attribute("fd"))}),
    "name": (TEXT, {"open": g.asked}),
    "filename": (TEXT, {"open": g.asked, "exec": g.asked}),
    "flags": (TEXT, {"open": open_flags.flag_names}),
    "mode": (TEXT, {"open": open_flags.mode_text}),
    "dirfd": (TEXT, {"open": lambda event: b"AT_FDCWD" if event.dirfd == g.AT_FDCWD else str(event.dirfd).encode()}),
    "ino": (TEXT, {"open": g.text_of(g.attribute("inode"))}),
    "exe": (TEXT, {"exec": g.first_argument}),
    "args": (TEXT, {"exec": g.arguments}),
    "comm": (TEXT, {"exec": g.attribute("comm")}),
    "cwd": (TEXT, {"exec": g.working_directory}),
    "tty": (TEXT, {"exec": g.text_of(g.attribute("tty_dev"))}),
    "pid": (TEXT, {"exec": g.text_of(g.attribute("tgid"))}),
    "ptid": (TEXT, {"exec": g.text_of(g.attribute("ppid"))}),
    "uid": (TEXT, {"exec": g.text_of(g.attribute("euid"))}),
    "loginuid": (TEXT, {"exec": g.text_of(g.login_uid)}),
    "tuple": (TEXT, {"connect": g.fd_name}),
    "addr": (TEXT, {"connect": g.fd_name}),
}


def _argument_getter(getters: dict[str, Getter]) -> Getter:
    def get(event: Any) -> Any:
        getter = getters.get(event.kind_name)
        return getter(event) if getter else None

    return get


def _argument_specs() -> dict[str, FieldSpec]:
    return {
        name: FieldSpec(name=f"evt.arg.{name}", type=kind, doc=f"argument {name} of the call", kinds=frozenset(readers), get=_argument_getter(readers),
                        unknowable=True, missing=True, few=name == "flags")
        for name, (kind, readers) in _ARGUMENTS.items()
    }  # fmt: skip


def _unfilled_specs() -> list[FieldSpec]:
    groups = ((TEXT, unfilled.TEXT), (NUMBER, unfilled.NUMBER), (TRUTH, unfilled.TRUTH), (FieldType.BUFFER, unfilled.BUFFER))
    return [
        FieldSpec(name=name, type=kind, filled=False, takes_argument=name in unfilled.WITH_ARGUMENT, doc="not filled by this build")
        for kind, names in groups
        for name in names
    ]


ARGUMENTS: dict[str, FieldSpec] = _argument_specs()
"""``evt.arg.NAME`` by name."""

FIELDS: dict[str, FieldSpec] = {spec.name: spec for spec in (*_unfilled_specs(), *_FILLED)}
"""Every field by name, without ``evt.arg.NAME``."""


def find(name: str, argument: str | None) -> tuple[FieldSpec, str | None] | None:
    """
    Return the field that *name* with *argument* means, and the argument that is left, or None for no such field.

    ``evt.arg[flags]`` and ``evt.arg.flags`` are the same, as are
    ``k8s.pod.label[app]`` and ``k8s.pod.label.app``.
    """
    if name in FIELDS:
        spec = FIELDS[name]
        if name == "evt.arg" and argument in ARGUMENTS:
            return ARGUMENTS[argument], None
        return spec, argument
    for prefix in unfilled.WITH_ARGUMENT:
        if name.startswith(prefix + ".") and argument is None:
            rest = name[len(prefix) + 1 :]
            if prefix == "evt.arg" and rest in ARGUMENTS:
                return ARGUMENTS[rest], None
            return FIELDS[prefix], rest
    return None
