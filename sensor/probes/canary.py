# SPDX-License-Identifier: Apache-2.0
"""
Acts of the agent's own, so that "ready" means: an act came back.

Each loaded kind has clauses that only the agent's canary can satisfy, through
the ordinary tables and both lanes: a file and a program name nobody else can
know, a loopback address nobody uses. Their frames never reach a rule. The
first one of the file is also what the offsets are proven with.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.events.common import Lane
from sensor.events.dimensions import Clause, Constraint, Dimension, Outcome, PathPattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RULE = "(canary)"
"""What stands for a rule in the canaries' clauses; no rule has parentheses in its name."""

_LANES = (Lane.RESERVED, Lane.COMMON)
_CONNECT_TIMEOUT_S = 0.2


class Canaries:
    """The clauses and the acts; and which of them have come back."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """*kinds* are the event kinds whose probes are loaded."""
        self._folder = Path(tempfile.mkdtemp(prefix="scout-canary-"))
        token = secrets.token_hex(4)
        self._names = {lane: f"canary{lane.value}{token}" for lane in _LANES}
        self._addresses = {lane: f"127.{64 + secrets.randbelow(190)}.{secrets.randbelow(256)}.{1 + 2 * secrets.randbelow(120) + lane.value}" for lane in _LANES}
        self._port = 1 + secrets.randbelow(1000)
        program = shutil.which("true") or sys.executable
        for name in self._names.values():
            (self._folder / f"f{name}").touch()
            (self._folder / name).symlink_to(program)
        self.kinds = tuple(kind for kind in ("open", "connect", "exec") if kind in set(kinds))
        self._watch_exit = "exit" in set(kinds)
        self._children: set[int] = set()
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
        """Do one act of every kind and lane. Nothing is waited for but the children's ends."""
        for lane in _LANES:
            name = self._names[lane]
            if "open" in self.kinds:
                (self._folder / f"f{name}").read_bytes()
            if "connect" in self.kinds:
                with socket.socket() as sock:
                    sock.settimeout(_CONNECT_TIMEOUT_S)
                    sock.connect_ex((self._addresses[lane], self._port))
            if "exec" in self.kinds:
                arguments = [name] if shutil.which("true") else [name, "-S", "-E", "-c", ""]
                os.waitpid(os.posix_spawn(self._folder / name, arguments, {}), 0)

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


def with_canaries(clauses: Mapping[str, Sequence[Clause]], canaries: Canaries, kind: str) -> tuple[tuple[Clause, ...], int]:
    """The rules' clauses of *kind* with the canaries' behind them, and the mask of the canaries' bits."""
    own = tuple(clauses.get(kind, ()))
    extra = canaries.clauses(kind)
    return own + extra, sum(1 << bit for bit in range(len(own), len(own) + len(extra)))
