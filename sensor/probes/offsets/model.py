# SPDX-License-Identifier: Apache-2.0
"""
What an answer looks like, whichever source gave it, and what makes it believable.

Offsets are garbage in silence: a wrong one reads some other field. So no source
is believed as it stands. Every value must be a plausible offset for its member,
no two members of a structure may lie on each other, and what is not optional
must be there. What passes here is proven once more on the agent itself
(`sensor.probes.proof`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor.core.errors import OffsetsUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sensor.probes.offsets.wanted import Wanted

MAX_OFFSET = 65_535
"""No structure read here is larger; task_struct is about 10 KiB, with debug options 20."""

_BYTES_1 = frozenset({"task_struct.comm"})
_BYTES_2 = frozenset({"sock.__sk_common.skc_family", "sock.__sk_common.skc_dport", "sock.__sk_common.skc_num", "sock.sk_protocol"})
_BYTES_4 = frozenset(
    {
        "task_struct.tgid", "task_struct.exit_code", "task_struct.loginuid",
        "signal_struct.live", "signal_struct.flags", "signal_struct.group_exit_code", "pid.level", "tty_struct.index",
        "tty_driver.major", "tty_driver.minor_start", "cred.uid", "cred.gid", "cred.euid", "cred.egid",
        "cred.cap_permitted", "cred.cap_effective", "mnt_namespace.ns.inum", "pid_namespace.ns.inum",
        "user_namespace.ns.inum", "net.ns.inum", "file.f_flags", "dentry.d_name.len",
        "sock.__sk_common.skc_daddr", "sock.__sk_common.skc_rcv_saddr", "sock.__sk_common.skc_v6_daddr",
        "sock.__sk_common.skc_v6_rcv_saddr", "pid.numbers", "super_block.s_dev",
    }
)  # fmt: skip
"""Members by their alignment; all others are pointers or longs."""

_ONE_OF = (("task_struct.thread_pid", "task_struct.pids"), ("signal_struct.pids", "task_struct.pids"))
"""Optional one by one, but one of each pair must be known: where the thread's and the session's ``struct pid`` hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one source knows."""

    source: str
    """``btf:/sys/kernel/btf/vmlinux``, ``headers:/lib/modules/…/build``, ``kheaders:/sys/…``, ``table:…json``."""

    members: Mapping[str, int]
    """`label` → byte offset; members the source does not know are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """Where the kernel keeps what the probes read, checked."""

    source: str
    """The source that answered, as in `Answer.source`; all members come from it, sources are never mixed."""

    members: Mapping[str, int]
    """The C macro without ``OFF_`` → byte offset."""

    tracepoints: Mapping[str, int]
    """The same for members of tracepoint records, from tracefs."""

    missing_optional: tuple[str, ...]
    """Optional members this kernel does not have (`label`), in the order they are wanted."""

    refused_sources: tuple[str, ...] = ()
    """Why the sources before this one did not serve, a sentence each."""

    def flags(self) -> tuple[str, ...]:
        """Compiler flags for the probes: ``-DOFF_task_struct__stack=32`` …, in a stable order."""
        return tuple(f"-DOFF_{macro}={value}" for macro, value in (*self.members.items(), *self.tracepoints.items()))


def label(wanted: Wanted) -> str:
    """The member as people know it, by its first spelling: ``task_struct.start_boottime``."""
    return f"{wanted.macro_struct or wanted.struct}.{wanted.spellings[0]}"


def alignment_of(member: str) -> int:
    """What the member's offset must be a multiple of, by its `label`."""
    for size, members in ((1, _BYTES_1), (2, _BYTES_2), (4, _BYTES_4)):
        if member in members:
            return size
    return 8


def check(answer: Answer, wanted: Sequence[Wanted]) -> dict[str, int]:
    """
    Believe an answer, or say what is wrong with it.

    Returns:
        The C macro without ``OFF_`` → offset, for the members that are there, in the order of *wanted*.

    Raises:
        OffsetsUnknown: naming every member that is missing or cannot be where the source says.
    """
    labels = {label(item) for item in wanted}
    problems = [problem for item in wanted if (problem := _problem(item, answer.members))]
    problems += [
        f"neither {first} nor {second}"
        for first, second in _ONE_OF
        if {first, second} <= labels and first not in answer.members and second not in answer.members
    ]
    problems += _overlaps({name: value for name, value in answer.members.items() if name in labels})
    if problems:
        raise OffsetsUnknown(f"{answer.source}: " + "; ".join(problems), hint="`scout doctor` shows the sources this node has")
    return {item.macro: answer.members[label(item)] for item in wanted if label(item) in answer.members}


def _problem(item: Wanted, members: Mapping[str, int]) -> str:
    name = label(item)
    if name not in members:
        return "" if item.optional else f"{name} is missing"
    value = members[name]
    if type(value) is not int or not 0 <= value <= MAX_OFFSET:
        return f"{name} = {value!r:.40} is no offset"
    alignment = alignment_of(name)
    return f"{name} = {value} is not a multiple of {alignment}" if value % alignment else ""


def _overlaps(members: Mapping[str, int]) -> list[str]:
    """Two members of one structure at the same place."""
    seen: dict[tuple[str, int], str] = {}
    problems = []
    for name, value in members.items():
        other = seen.setdefault((name.partition(".")[0], value), name)
        if other != name:
            problems.append(f"{name} and {other} are both {value}")
    return problems
