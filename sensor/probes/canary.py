# SPDX-License-Identifier: Apache-2.0
"""
Acts of the agent's own, so that "ready" means: an act came back.

Each loaded kind has clauses that only the agent's canary can satisfy, through
the ordinary tables and both lanes: a file and a program name nobody else can
know, a loopback address nobody uses. Their frames never reach a rule, and the
offsets are proven with them.

The files are in a folder in /run, which nobody else may write and nothing
clears by age, or where temporary files go. Its name says whose it is, so that
the next start removes what an agent left that was killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.core.privileges import namespace_inode, read_text
from sensor.events.common import Lane
from sensor.events.dimensions import Clause, Constraint, Dimension, Outcome, PathPattern
from sensor.probes import canary_acts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RULE = "(canary)"
"""What stands for a rule in the canaries' clauses; no rule has parentheses in its name."""

PREFIX = "scout-canary-"
"""Of the folder's name; then, between dashes: inode of the PID namespace, pid, start time in ticks, something random."""

_MOST_ENTRIES = 10_000
"""Entries of a folder of temporary files that are looked at for stale folders."""

_LANES = (Lane.RESERVED, Lane.COMMON)


class Canaries:
    """The clauses and the acts; and which of them have come back."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """*kinds* are the event kinds whose probes are loaded."""
        self._folder = _make_folder()
        token = secrets.token_hex(4)
        self._names = {lane: f"canary{lane.value}{token}" for lane in _LANES}
        self._addresses = {lane: f"127.{64 + secrets.randbelow(190)}.{secrets.randbelow(256)}.{1 + 2 * secrets.randbelow(120) + lane.value}" for lane in _LANES}
        self._port = 1 + secrets.randbelow(1000)
        self._program = shutil.which("true") or sys.executable
        for name in self._names.values():
            (self._folder / f"f{name}").touch()
            (self._folder / name).symlink_to(self._program)
        self.kinds = tuple(kind for kind in ("open", "connect", "exec") if kind in set(kinds))
        self._watch_exit = "exit" in set(kinds)
        self._children: set[int] = set()
        self._facts: dict[tuple[str, Lane], dict[str, object]] = {}
        self.seen: dict[tuple[str, Lane], int] = {}
        """(kind, lane) → ``ts_ns`` of the last that came back."""

    def clauses(self, kind: str) -> tuple[Clause, ...]:
        """Clauses to put behind those of the rules of *kind*."""
        if kind not in self.kinds:
            return ()
        return tuple(
            Clause(kind=kind, constraints=self._constraints(kind, lane), rules=(RULE,), exact=lane is Lane.RESERVED, high=lane is Lane.RESERVED)
            for lane in _LANES
        )

    def _constraints(self, kind: str, lane: Lane) -> tuple[Constraint, ...]:
        name = self._names[lane]
        if kind == "open":
            path = os.fsencode((self._folder / f"f{name}").resolve())
            leaf, whole = Constraint(Dimension.LEAF, (f"f{name}".encode(),)), Constraint(Dimension.PATH, (PathPattern(path, exact=True),))
            return (Constraint(Dimension.OUTCOME, (Outcome.SUCCEEDED,)), leaf, whole)
        if kind == "connect":
            return (Constraint(Dimension.PORT, (self._port,)), Constraint(Dimension.ADDRESS, (IPv4Network(self._addresses[lane]),)))
        return (Constraint(Dimension.OUTCOME, (0,)), Constraint(Dimension.COMM, (name.encode()[:15],)))

    def act(self) -> None:
        """Do one act of every kind and lane. Nothing is waited for but the children's ends. Raises OSError when one cannot be done."""
        for lane in _LANES:
            name = self._names[lane]
            if "open" in self.kinds:
                self._facts["open", lane] = canary_acts.open_file(self._folder / f"f{name}")
            if "connect" in self.kinds:
                self._facts["connect", lane] = canary_acts.connect(self._addresses[lane], self._port, datagram=lane is Lane.COMMON)
            if "exec" in self.kinds:
                self._facts["exec", lane] = canary_acts.execute(self._folder / name, self._arguments(name))

    def _arguments(self, name: str) -> list[str]:
        return [name] if self._program != sys.executable else [name, "-S", "-E", "-c", ""]

    def facts(self, event: Any) -> dict[str, object]:  # noqa: ANN401  # the event classes are generated
        """What is known of a canary's last act beside who did it: attribute of *event* → the value it must have."""
        return self._facts.get((event.kind_name, Lane(event.lane)), {})

    def take(self, event: Any, mask: int) -> bool:  # noqa: ANN401  # the event classes are generated
        """
        Whether *event* is a canary; remembers it.

        Args:
            event: decoded.
            mask: the canaries' bits among the event's candidates (of its kind and generation).
        """
        kind = event.kind_name
        if kind == "exit":
            if event.tgid not in self._children:
                return False
            self._children.discard(event.tgid)
            self.seen["exit", Lane.COMMON] = event.ts_ns
            return True
        if not event.candidates & mask or not self._is_ours(event):
            return False
        if kind == "exec":
            self._children.add(event.tgid)
        self.seen[kind, Lane(event.lane)] = event.ts_ns
        return True

    def _is_ours(self, event: Any) -> bool:  # noqa: ANN401  # the event classes are generated
        """Whether the act itself is a canary's: an act of which too much is unknown keeps every bit, the canaries' too."""
        if event.kind_name == "open":
            return bool(event.path.rpartition(b"/")[2] in {f"f{name}".encode() for name in self._names.values()})
        if event.kind_name == "connect":
            return bool(event.dport == self._port and event.ns_tgid == os.getpid())
        return bool(event.comm in {name.encode()[:15] for name in self._names.values()})

    def expected(self) -> tuple[tuple[str, str], ...]:
        """(kind, lane) of every canary, as health names them."""
        wanted = [(kind, lane.name.lower()) for kind in self.kinds for lane in _LANES]
        return (*wanted, ("exit", "common")) if self._watch_exit and "exec" in self.kinds else tuple(wanted)

    def missing(self) -> tuple[str, ...]:
        """Canaries that never came back, as ``kind/lane``."""
        return tuple(f"{kind}/{lane}" for kind, lane in self.expected() if (kind, Lane[lane.upper()]) not in self.seen)

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _places() -> tuple[Path, ...]:
    return Path("/run"), Path(tempfile.gettempdir())


def _owner() -> str:
    """This process, in the form that folders carry."""
    return f"{namespace_inode(Path('/proc/self'), 'pid') or 0}-{os.getpid()}-{_start_ticks(os.getpid())}"


def _start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)); 0 when there is none."""
    fields = (read_text(Path(f"/proc/{pid}/stat")) or "").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0  # noqa: PLR2004  # the state behind the name is field 3


def _make_folder() -> Path:
    """Make the canaries' folder, mode 0700. Raises OSError when there is no place for it."""
    remove_stale()
    for place in _places():
        try:
            return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{_owner()}-", dir=place)).resolve()
        except OSError as error:
            why = error
    raise why


def remove_stale(places: Iterable[Path] | None = None) -> None:
    """
    Remove the folders of agents that are no more.

    Only what such an agent can have made is touched: a folder, not a link, of
    this user, closed to others, named for a process of this PID namespace that
    is not there now. In a folder that everybody may write (with the sticky bit)
    nobody else can make or rename one like that, and `shutil.rmtree` follows no link.
    """
    here = _owner().split("-")[0]
    for place in _places() if places is None else places:
        try:
            entries = [entry for entry, _ in zip(os.scandir(place), range(_MOST_ENTRIES), strict=False) if entry.name.startswith(PREFIX)]
            for entry in entries:
                words = entry.name.removeprefix(PREFIX).split("-")
                status = entry.stat(follow_symlinks=False)
                is_ours = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU and status.st_uid == os.geteuid()
                if is_ours and len(words) >= 4 and words[0] == here and words[1].isdecimal() and str(_start_ticks(int(words[1]))) != words[2]:  # noqa: PLR2004  # see PREFIX
                    shutil.rmtree(entry.path, ignore_errors=True)
        except OSError:
            continue


def with_canaries(clauses: Mapping[str, Sequence[Clause]], canaries: Canaries, kind: str) -> tuple[tuple[Clause, ...], int]:
    """The rules' clauses of *kind* with the canaries' behind them, and the mask of the canaries' bits."""
    own = tuple(clauses.get(kind, ()))
    extra = canaries.clauses(kind)
    return own + extra, sum(1 << bit for bit in range(len(own), len(own) + len(extra)))
