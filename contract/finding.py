# SPDX-License-Identifier: Apache-2.0
r"""
The document of a runtime finding: what the console, a log or a SIEM reads.

The types below are the schema. ``contract/finding.schema.json`` and the tables
of docs/findings.md are made from them (``python -m contract.schema``), and a
test fails when they are not current. Within ``scout.dev/finding/v1`` members
may be added (a reader ignores what it does not know); none is renamed, removed
or given another meaning or type.

Every member is always there: what is not known, or not yet, is null.

Text made of the kernel's bytes (names, paths, arguments) is UTF-8; a byte that
is not UTF-8 is written ``\xHH``, and a literal backslash in front of an ``x``
is written ``\x5c``, so the bytes can be had back. Secrets are already taken out.
A line is made of a document by `contract.line`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypedDict

SCHEMA: Final = "scout.dev/finding/v1"
"""The value of ``schema``: changes only when a reader would have to change too."""

Mitigation = Literal["log", "isolate", "terminate"]
"""What a ruleset may ask for, the mildest first."""

MITIGATIONS: tuple[Mitigation, ...] = ("log", "isolate", "terminate")
"""The same as values."""

Severity = Literal["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"]
"""Falco's priorities in lower case, the worst first."""

SEVERITIES: tuple[Severity, ...] = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
"""The same as values."""

Result = Literal["succeeded", "failed"]


class Rule(TypedDict):
    """The rule that matched."""

    id: Annotated[str, "permanent id of the rule; its name when its author gave none"]
    name: Annotated[str, "the rule's name"]
    version: Annotated[int, "raised when the rule's condition changes"]
    maturity: Annotated[str | None, "sandbox, incubating, stable or deprecated"]


class MitigationRecord(TypedDict):
    """What the policy asked for and what was done."""

    asked: Annotated[Mitigation, "what the ruleset names for the rule"]
    done: Annotated[Mitigation | None, "what was carried out; null when nothing could be, or not yet"]
    at: Annotated[str | None, "when it was done, RFC 3339"]
    reason: Annotated[str | None, "why what was done is not what was asked"]


class Owner(TypedDict):
    """What made the pod."""

    kind: Annotated[str, "Deployment, DaemonSet, Job …"]
    name: Annotated[str, "its name"]


class Pod(TypedDict):
    """The pod the act happened in."""

    name: Annotated[str | None, "the pod's name"]
    uid: Annotated[str, "the pod's UID"]
    labels: Annotated[dict[str, str] | None, "the pod's labels"]
    owner: Annotated[Owner | None, "the controller that made it"]


class Container(TypedDict):
    """The container the act happened in."""

    id: Annotated[str, "full container id"]
    name: Annotated[str | None, "name in the pod's specification"]
    image: Annotated[str | None, "repository of the image, registry included"]
    tag: Annotated[str | None, "tag the container was asked to run"]
    digest: Annotated[str | None, "digest of the image that runs"]
    runtime: Annotated[str | None, "containerd, cri-o, docker, podman …"]


class Capabilities(TypedDict):
    """Capabilities by name."""

    effective: Annotated[list[str], "effective capabilities, as in capabilities(7)"]
    permitted: Annotated[list[str], "permitted capabilities"]


class Namespaces(TypedDict):
    """Inode numbers of the process's namespaces, as in /proc/PID/ns."""

    mnt: Annotated[int, "mount namespace"]
    pid: Annotated[int, "PID namespace"]
    net: Annotated[int, "network namespace"]
    user: Annotated[int, "user namespace"]


class Process(TypedDict):
    """The process that acted, as the kernel knew it at the act."""

    pid: Annotated[int, "process id on the node"]
    tid: Annotated[int, "thread id on the node"]
    container_pid: Annotated[int, "process id in its own PID namespace"]
    parent_pid: Annotated[int, "process id of the parent on the node"]
    name: Annotated[str, "name (comm) of the process, at most 15 bytes"]
    exe: Annotated[str, "path of the executable in the process's mount namespace"]
    exe_deleted: Annotated[bool, "the executable's file has no name any more"]
    exe_memfd: Annotated[bool, "the executable is a memfd or lies outside the process's mount namespace"]
    sha256: Annotated[str | None, "SHA-256 of the executable"]
    args: Annotated[list[str] | None, "the arguments, secrets taken out; null when cut from the line (see cut)"]
    cmdline: Annotated[str, "the arguments joined by spaces, secrets taken out"]
    cwd: Annotated[str, "working directory"]
    uid: Annotated[int, "real user id, initial user namespace"]
    gid: Annotated[int, "real group id"]
    euid: Annotated[int, "effective user id"]
    egid: Annotated[int, "effective group id"]
    loginuid: Annotated[int | None, "audit login user id; null when nobody logged in"]
    user: Annotated[str | None, "name of the user"]
    capabilities: Annotated[Capabilities, "what the process may do beyond its user"]
    tty: Annotated[str | None, "controlling terminal (pts/0), null for none"]
    session_id: Annotated[int, "process id of the session's leader"]
    start_time: Annotated[str, "when the process started, RFC 3339"]
    start_ns: Annotated[int, "the same in nanoseconds since boot"]
    namespaces: Annotated[Namespaces, "inode numbers of its namespaces"]


class Parent(TypedDict):
    """An ancestor."""

    pid: Annotated[int, "process id on the node"]
    name: Annotated[str, "name (comm)"]


class ActOpen(TypedDict):
    """A file was opened, or could not be."""

    kind: Annotated[Literal["open"], "the kind of act"]
    result: Annotated[Result, "how it ended"]
    errno: Annotated[str | None, "name of the error of a failed act (ENOENT)"]
    path: Annotated[str | None, "the file the kernel opened: symlinks, .. and directory descriptors resolved; null after a failure"]
    asked: Annotated[str, "the path as the program gave it"]
    fs_path: Annotated[str | None, "path within its file system when reached through a bind mount"]
    flags: Annotated[list[str], "flags of the call (O_WRONLY, O_CREAT …); unnamed bits in hexadecimal"]
    mode: Annotated[str | None, "mode of a created file, octal; null when the call creates none"]
    fd: Annotated[int | None, "the new descriptor"]
    inode: Annotated[int | None, "inode number"]


class ActExec(TypedDict):
    """A process replaced its program, or could not."""

    kind: Annotated[Literal["exec"], "the kind of act"]
    result: Annotated[Result, "how it ended"]
    errno: Annotated[str | None, "name of the error of a failed act (EACCES)"]
    path: Annotated[str | None, "the program that runs now; null after a failure"]
    asked: Annotated[str, "the file as asked for: a script's own path"]
    fs_path: Annotated[str | None, "path within its file system when reached through a bind mount"]
    interpreter: Annotated[str | None, "a script's interpreter"]


class Endpoint(TypedDict):
    """One end of a connection."""

    address: Annotated[str, "IPv4 or IPv6 address; an IPv4-mapped one as IPv4"]
    port: Annotated[int, "port; 0 when not bound"]


class ActConnect(TypedDict):
    """A socket was connected to a peer, or could not be."""

    kind: Annotated[Literal["connect"], "the kind of act"]
    result: Annotated[Result, "how it ended; a handshake under way counts as succeeded"]
    errno: Annotated[str | None, "name of the error (ECONNREFUSED); EINPROGRESS when the handshake was under way"]
    path: Annotated[str | None, "path of the Unix socket"]
    family: Annotated[str, "inet, inet6, unix"]
    protocol: Annotated[str | None, "tcp, udp, icmp … or the number; null for Unix sockets"]
    peer: Annotated[Endpoint | None, "whom it connected to; null for Unix sockets"]
    local: Annotated[Endpoint | None, "its own end; null for Unix sockets"]
    abstract: Annotated[bool, "the Unix socket has a name in the abstract namespace, not a path"]
    fd: Annotated[int | None, "the socket's descriptor"]


class ActFlood(TypedDict):
    """A workload did more than the sensor takes from one; the rest was counted."""

    kind: Annotated[Literal["flood"], "the kind of act"]
    dropped: Annotated[int, "acts of the workload dropped so far on this CPU"]
    flooded_kind: Annotated[str, "kind of act that found the budget spent"]
    flooded_lane: Annotated[str, "common or reserved"]


Act = ActOpen | ActExec | ActConnect | ActFlood
"""What was done: one of these, told apart by ``kind``."""


class Finding(TypedDict):
    """A rule's match with the policy's verdict."""

    schema: Annotated[Literal["scout.dev/finding/v1"], "name and version of this schema"]
    id: Annotated[str, "128 bits in hexadecimal; the same for the same act and rule, so a repeated delivery is harmless"]
    time: Annotated[str, "when the act happened, RFC 3339 with nanoseconds, UTC"]
    ts_ns: Annotated[int, "the same in nanoseconds since boot (CLOCK_MONOTONIC)"]
    severity: Annotated[Severity, "the rule's priority"]
    rule: Annotated[Rule, "the rule that matched"]
    attack: Annotated[list[str], "MITRE ATT&CK technique ids"]
    tags: Annotated[list[str], "the rule's tags"]
    output: Annotated[str, "the rule's message"]
    mitigation: Annotated[MitigationRecord, "what was asked for and done"]
    policy: Annotated[str | None, "policy in force"]
    definition: Annotated[str | None, "definition of the policy that applied"]
    ruleset: Annotated[str | None, "ruleset that chose the rule"]
    cluster: Annotated[str | None, "name of the cluster"]
    node: Annotated[str | None, "name of the node"]
    namespace: Annotated[str | None, "Kubernetes namespace"]
    pod: Annotated[Pod | None, "the pod; null on the host"]
    scope: Annotated[Literal["host", "container", "unknown"], "where the act happened"]
    container: Annotated[Container | None, "the container; null on the host"]
    process: Annotated[Process, "who did it"]
    parents: Annotated[list[Parent], "ancestors, nearest first, at most 8"]
    act: Annotated[Act, "what was done"]
    drift_reason: Annotated[str | None, "why the file counts as drift"]
    aggregated: Annotated[int, "how many acts this finding tells; summed over all findings, every act is counted once"]
    repeats: Annotated[str | None, "id of the finding that told the first of these like acts"]
    lane: Annotated[Literal["common", "reserved"], "how the act came out of the kernel"]
    late: Annotated[bool, "it had to wait for the workload's metadata"]
    replayed: Annotated[bool, "it comes from a recording"]
    flags: Annotated[list[str], "what the kernel said about its values (path_cut, path_deleted, creation_unsure, workload_unknown …)"]
    cut: Annotated[list[str], "members that are incomplete; a path cut in the kernel has lost its front, everything else its end"]
