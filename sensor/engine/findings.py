# SPDX-License-Identifier: Apache-2.0
"""
Build the finding of a match: the document people, consoles and SIEMs read.

`FindingBuilder.build` turns an event, the rule it matched and the policy's
verdict into a `contract.finding.Finding`. It promises: every member of the
schema is there; secrets are out before the rule's message is even made, because
the message is rendered from a redacted event; the id is the same whenever the
same act is seen again, as in a replay; nothing is asked of the machine. One
call takes some 50 µs and happens per match, never per event.

Where the act's own members come from is `sensor.engine.acts`; how a document
becomes a line is `contract.line`.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol, cast

from contract.finding import SCHEMA, SEVERITIES
from sensor.core.escape import lossless, raw
from sensor.engine.acts import ACTS, capability_names, tty_name
from sensor.events.common import FrameFlag, Lane
from sensor.events.dimensions import Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract.finding import Container, Finding, Pod, Process, Severity
    from sensor.core.clock import Clock
    from sensor.engine.decide import Verdict
    from sensor.engine.redact import Redactor

OUTPUT_CHARACTERS = 4_096
"""Most of a rule's message that is kept; a template with every field it could use stays below."""

_NO_LOGINUID = 0xFFFFFFFF
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
_NS = 1_000_000_000
_MS = 1_000_000

_EXE_DELETED = int(FrameFlag.EXE_DELETED)
_EXE_DETACHED = int(FrameFlag.EXE_DETACHED)
_CMDLINE_CUT = int(FrameFlag.CMDLINE_CUT)

_CUT_MEMBERS = (
    (FrameFlag.PATH_CUT, "act.path"),
    (FrameFlag.ASKED_CUT, "act.asked"),
    (FrameFlag.EXE_CUT, "process.exe"),
    (FrameFlag.CWD_CUT, "process.cwd"),
    (FrameFlag.CMDLINE_CUT, "process.cmdline"),
)

_SEVERITIES: dict[str, Severity] = {
    **{severity: severity for severity in SEVERITIES},
    "info": "informational",
}

_SCOPES = {Profile.HOST: "host", Profile.CONTAINER: "container"}


class MatchedRule(Protocol):
    """What a finding tells of its rule."""

    @property
    def id(self) -> str:
        """Permanent id, or the name when its author gave none."""

    @property
    def name(self) -> str:
        """The rule's name."""

    @property
    def version(self) -> int:
        """Raised when the condition changes."""

    @property
    def maturity(self) -> str:
        """sandbox, incubating, stable, deprecated, or empty."""

    @property
    def attack(self) -> Sequence[str]:
        """ATT&CK technique ids."""

    @property
    def tags(self) -> Sequence[str]:
        """The rule's tags."""

    @property
    def priority(self) -> str:
        """Falco's priority, in any case."""

    @property
    def asks(self) -> bool:
        """The message needs what has to be asked for while the act is fresh (`sensor.events.around`)."""

    @property
    def quotes(self) -> bool:
        """The message shows arguments of other processes than the one that acted."""

    def render(self, event: Any) -> str:  # noqa: ANN401  # event classes are generated
        """Return the rule's message with the event's values in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingContext:
    """What is the same for every finding of a run."""

    boot_id: str
    """/proc/sys/kernel/random/boot_id of the node the events come from: it makes ids unique over restarts of the node."""

    clock: Clock
    """Turns the kernel's times into wall time; a replay has the recording's."""

    redactor: Redactor
    """Takes secrets out."""

    node: str | None = None
    """Name of the node."""

    cluster: str | None = None
    """Name of the cluster."""

    replayed: bool = False
    """The events come from a recording."""


class FindingBuilder:
    """Builds findings in one `FindingContext`."""

    def __init__(self, context: FindingContext) -> None:
        self._context = context
        self._boot_id = context.boot_id.encode()
        self._suspended_ns = 0
        self.resync()

    def resync(self) -> None:
        """
        Measure again how long the machine was suspended (CLOCK_BOOTTIME minus CLOCK_MONOTONIC); process start times need it.

        To the millisecond, because the clocks cannot be read at once: the same
        process has the same start in every finding, and in a replay.
        """
        between_ns = self._context.clock.boottime_ns() - self._context.clock.monotonic_ns()
        self._suspended_ns = (between_ns + _MS // 2) // _MS * _MS

    def build(self, event: Any, rule: MatchedRule, verdict: Verdict, *, late: bool = False) -> Finding:  # noqa: ANN401  # event classes are generated
        """
        Return the finding of *rule* having matched *event*.

        Args:
            event: Of a kind that `sensor.engine.acts.ACTS` has; it is not changed.
            rule: The rule.
            verdict: What the policy asks for.
            late: The event had to wait for its workload's metadata.
        """
        context = self._context
        redactor = context.redactor
        flags: int = event.flags
        args = [lossless(arg) for arg in event.cmdline.removesuffix(b"\0").split(b"\0")] if event.cmdline else []
        act = ACTS[event.kind_name](event)
        process = self._process(event, args)
        joined = "\0".join((*args, *_paths(process, act)))
        if not flags & _CMDLINE_CUT and redactor.is_quiet(joined):
            output = _encodable(rule.render(event))
            if rule.quotes:
                output = redactor.text(output)
        else:
            output, args = self._redacted(event, rule, args)
            process = self._process(event, args)
            _redact_paths(redactor, process, act)
        flag_names, cut = _flag_names(flags)
        if len(output) > OUTPUT_CHARACTERS:
            output, cut = output[:OUTPUT_CHARACTERS], (*cut, "output")
        workload = event.workload
        done = verdict.mitigation if verdict.mitigation == "log" else None
        at = wall_text(context.clock, event.ts_ns)
        return {
            "schema": SCHEMA,
            "id": self._id(event, rule.id),
            "time": at,
            "ts_ns": event.ts_ns,
            "severity": _SEVERITIES[rule.priority.lower()],
            "rule": {"id": rule.id, "name": rule.name, "version": rule.version, "maturity": rule.maturity or None},
            "attack": list(rule.attack),
            "tags": list(rule.tags),
            "output": output,
            "mitigation": {"asked": verdict.mitigation, "done": done, "at": at if done else None, "reason": None},
            "policy": verdict.policy,
            "definition": verdict.definition,
            "ruleset": verdict.ruleset,
            "cluster": context.cluster,
            "node": context.node,
            "namespace": workload.pod.namespace if workload.pod else None,
            "pod": _pod(workload),
            "scope": cast("Any", _SCOPES.get(workload.profile, "unknown")),
            "container": _container(workload),
            "process": process,
            "parents": [{"pid": pid, "name": lossless(name)} for pid, name in event.ancestors],
            "act": act,
            "drift_reason": None,
            "aggregated": 1,
            "repeats": None,
            "lane": "reserved" if event.lane == Lane.RESERVED else "common",
            "late": late,
            "replayed": context.replayed,
            "flags": list(flag_names),
            "cut": list(cut),
        }

    def _redacted(self, event: Any, rule: MatchedRule, args: list[str]) -> tuple[str, list[str]]:  # noqa: ANN401  # event classes are generated
        """The rule's message and the arguments, without secrets: the message is rendered from a redacted event."""
        redactor = self._context.redactor
        redacted = redactor.args(args, cut=bool(event.flags & _CMDLINE_CUT))
        seen = event
        if redacted is not None:
            seen = copy.copy(event)
            seen.cmdline = b"".join(raw(arg) + b"\0" for arg in redacted)
            args = redacted
        return redactor.text(_encodable(rule.render(seen))), args

    def _process(self, event: Any, args: list[str]) -> Process:  # noqa: ANN401  # event classes are generated
        return {
            "pid": event.tgid,
            "tid": event.tid,
            "container_pid": event.ns_tgid,
            "parent_pid": event.ppid,
            "name": lossless(event.comm),
            "exe": lossless(event.exe_path),
            "exe_deleted": bool(event.flags & _EXE_DELETED),
            "exe_memfd": bool(event.flags & _EXE_DETACHED),
            "sha256": None,
            "args": args,
            "cmdline": " ".join(args),
            "cwd": lossless(event.cwd),
            "uid": event.uid,
            "gid": event.gid,
            "euid": event.euid,
            "egid": event.egid,
            "loginuid": None if event.loginuid == _NO_LOGINUID else event.loginuid,
            "user": None,
            "capabilities": {"effective": list(capability_names(event.cap_effective)), "permitted": list(capability_names(event.cap_permitted))},
            "tty": tty_name(event.tty_dev),
            "session_id": event.sid,
            "start_time": wall_text(self._context.clock, event.start_ns - self._suspended_ns),
            "start_ns": event.start_ns,
            "namespaces": {"mnt": event.mnt_ns, "pid": event.pid_ns, "net": event.net_ns, "user": event.user_ns},
        }

    def _id(self, event: Any, rule_id: str) -> str:  # noqa: ANN401  # event classes are generated
        """128 bits over what makes an act one: node's boot, time, process, thread, kind, and the rule."""
        digest = blake2b(self._boot_id, digest_size=16)
        digest.update(f"\0{event.ts_ns} {event.tgid} {event.tid} {event.start_ns} {event.kind_name} {rule_id}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def wall_text(clock: Clock, monotonic_ns: int) -> str:
    """Return a time of CLOCK_MONOTONIC as RFC 3339, UTC, with nanoseconds."""
    seconds, rest_ns = divmod(clock.wall_ns(monotonic_ns), _NS)
    return f"{_second(seconds)}.{rest_ns:09d}Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339 without a zone; what RFC 3339 cannot write is clamped."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(min(max(seconds, 0), _LAST_SECOND)))


@lru_cache(256)
def _flag_names(flags: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a frame's flags, and the members that those call cut. BOOKKEEPING is for the agent alone."""
    names = tuple(flag.name.lower() for flag in FrameFlag if flags & flag and flag is not FrameFlag.BOOKKEEPING and flag.name)
    return names, tuple(member for flag, member in _CUT_MEMBERS if flags & flag)


def _encodable(text: str) -> str:
    """*text* without what UTF-8 cannot hold: surrogates become the bytes they would be."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


_PROCESS_PATHS = ("exe", "cwd")
_ACT_PATHS = ("path", "asked", "fs_path", "interpreter")


def _paths(process: Process, act: object) -> list[str]:
    holders = (cast("dict[str, Any]", process), cast("dict[str, Any]", act))
    return [holder[name] for holder, names in zip(holders, (_PROCESS_PATHS, _ACT_PATHS), strict=True) for name in names if holder.get(name)]


def _redact_paths(redactor: Redactor, process: Process, act: object) -> None:
    """Redact what is a path, in place. One search for all of them, because almost never is there a secret in one."""
    if redactor.may_hold_secret("\0".join(_paths(process, act))):
        for holder, names in ((cast("dict[str, Any]", process), _PROCESS_PATHS), (cast("dict[str, Any]", act), _ACT_PATHS)):
            for name in names:
                if holder.get(name):
                    holder[name] = redactor.path(holder[name])


def _pod(workload: Any) -> Pod | None:  # noqa: ANN401  # the workload's class is the agent's
    pod = workload.pod
    if pod is None:
        return {"name": None, "uid": workload.pod_uid, "labels": None, "owner": None} if workload.pod_uid else None
    return {"name": pod.name, "uid": pod.uid, "labels": pod.labels, "owner": {"kind": pod.owner[0], "name": pod.owner[1]} if pod.owner else None}


def _container(workload: Any) -> Container | None:  # noqa: ANN401  # the workload's class is the agent's
    if not workload.container_id:
        return None
    known = workload.container
    return {
        "id": workload.container_id,
        "name": known.name if known else None,
        "image": (known.image or None) if known else None,
        "tag": (known.tag or None) if known else None,
        "digest": (known.digest or None) if known else None,
        "runtime": workload.runtime or None,
    }
