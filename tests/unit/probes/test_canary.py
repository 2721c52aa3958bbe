# SPDX-License-Identifier: Apache-2.0
"""Acts of the agent's own, and telling them from everybody else's."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from sensor.events.common import Lane
from sensor.events.dimensions import Clause, Dimension
from sensor.probes import canary, canary_acts
from sensor.probes.canary import Canaries, with_canaries

ALL = ("open", "connect", "exec", "exit")


@pytest.fixture
def canaries(tmp_path, monkeypatch):
    """Canaries whose files are in a folder of the test's."""
    monkeypatch.setattr(canary, "_places", lambda: (tmp_path,))
    made = Canaries(ALL)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def event(kind: str, lane: Lane, canaries: Canaries, **more) -> SimpleNamespace:
    """What the kernel tells of a canary's act."""
    name = canaries._names[lane]
    values = {"kind_name": kind, "lane": lane, "candidates": 0b11, "ts_ns": 7, "tgid": 4000 + lane, "ns_tgid": os.getpid(), "comm": name.encode()[:15]}
    values |= {"path": os.fsencode(canaries._folder / f"f{name}"), "dport": canaries._port}
    return SimpleNamespace(**(values | more))


def test_all_come_back(canaries):
    """Each kind in each lane, and the end of a child; only then is nothing missing."""
    assert canaries.missing() == ("open/reserved", "open/common", "connect/reserved", "connect/common", "exec/reserved", "exec/common", "exit/common")
    for kind in ("open", "connect", "exec"):
        for lane in Lane:
            assert canaries.take(event(kind, lane, canaries), 0b10)
    assert canaries.missing() == ("exit/common",)
    assert canaries.take(event("exit", Lane.COMMON, canaries), 0)
    assert canaries.missing() == ()
    assert set(canaries.seen.values()) == {7}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("open", {"candidates": 0b01}),
        ("open", {"path": b""}),
        ("open", {"path": b"/etc/shadow"}),
        ("connect", {"dport": 0}),
        ("connect", {"ns_tgid": 1}),
        ("exec", {"comm": b"bash"}),
        ("exit", {"tgid": 1}),
    ],
)
def test_what_only_carries_their_bits_is_nobodys_canary(canaries, kind, more):
    """An act of which too much is unknown keeps every bit; it must go on to the rules."""
    assert not canaries.take(event(kind, Lane.COMMON, canaries, **more), 0b10)
    assert canaries.seen == {}


def test_an_end_is_a_canarys_once(canaries):
    """A process id that comes again is somebody else's."""
    canaries.take(event("exec", Lane.COMMON, canaries), 0b10)
    assert canaries.take(event("exit", Lane.COMMON, canaries), 0)
    assert not canaries.take(event("exit", Lane.COMMON, canaries), 0)


def test_kinds_that_are_not_loaded_have_no_canaries(tmp_path, monkeypatch):
    """They are neither clauses nor expected; without execs nobody's end can be."""
    monkeypatch.setattr(canary, "_places", lambda: (tmp_path,))
    some = Canaries(("open", "exit"))
    assert (some.clauses("connect"), some.clauses("exec")) == ((), ())
    assert some.expected() == (("open", "reserved"), ("open", "common"))
    some.close()


def test_their_clauses_are_narrow_and_in_both_lanes(canaries):
    """Each kind has one reserved clause and one common; a failed open, whose name nobody knows, is none of theirs."""
    for kind in ("open", "connect", "exec"):
        clauses = canaries.clauses(kind)
        assert [(clause.exact, clause.high) for clause in clauses] == [(True, True), (False, False)]
        assert all(len(clause.constraints) >= 2 for clause in clauses)
    assert {constraint.dimension for constraint in canaries.clauses("open")[0].constraints} == {Dimension.OUTCOME, Dimension.LEAF, Dimension.PATH}


def test_their_bits_stand_behind_the_rules(canaries):
    """The rules' clauses keep their places, and the mask names the two behind them."""
    own = Clause(kind="open", constraints=(), rules=("a",))
    together, mask = with_canaries({"open": (own, own, own)}, canaries, "open")
    assert together[:3] == (own, own, own)
    assert (len(together), mask) == (5, 0b11000)
    assert with_canaries({}, canaries, "exit") == ((), 0)


def test_the_acts_are_done_and_what_is_known_of_them_is_kept(canaries, monkeypatch):
    """Two files, two connects to loopback, of which one is a datagram socket's, two programs with the canaries' names."""
    monkeypatch.setattr(canary_acts, "open_file", lambda path: {"path": path.name})
    monkeypatch.setattr(canary_acts, "connect", lambda address, port, datagram: {"daddr": address, "dport": port, "datagram": datagram})
    monkeypatch.setattr(canary_acts, "execute", lambda path, arguments: {"asked": path.name, "cmdline": arguments})
    canaries.act()
    facts = {(kind, lane): canaries.facts(event(kind, lane, canaries)) for kind in ("open", "connect", "exec") for lane in Lane}
    for lane in Lane:
        name = canaries._names[lane]
        assert facts["open", lane] == {"path": f"f{name}"}
        assert facts["exec", lane] == {"asked": name, "cmdline": [name]}
        assert facts["connect", lane]["daddr"].startswith("127.")
    assert facts["connect", Lane.RESERVED]["daddr"] != facts["connect", Lane.COMMON]["daddr"]
    assert [facts["connect", lane]["datagram"] for lane in (Lane.RESERVED, Lane.COMMON)] == [False, True]
    assert canaries.facts(event("exit", Lane.COMMON, canaries)) == {}


def test_two_agents_do_not_share_names(canaries):
    """Names and folders are made anew each time."""
    other = Canaries(ALL)
    assert set(other._names.values()).isdisjoint(canaries._names.values())
    assert other._folder != canaries._folder
    other.close()


def test_folders_of_the_dead_are_removed(canaries, tmp_path):
    """A folder whose agent is gone goes; a living agent's, a link and what is open to others stay."""
    here = canaries._folder.name.removeprefix(canary.PREFIX).split("-")[0]
    dead, alive = tmp_path / f"{canary.PREFIX}{here}-999999999-5-x", canaries._folder
    link, loose = tmp_path / f"{canary.PREFIX}{here}-999999998-5-y", tmp_path / f"{canary.PREFIX}{here}-999999997-5-z"
    dead.mkdir(mode=0o700)
    (dead / "file").touch()
    (tmp_path / "target").mkdir(mode=0o700)
    link.symlink_to("target")
    loose.mkdir()
    loose.chmod(0o755)
    canary.remove_stale([tmp_path])
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, link.name, loose.name, "target"}
    link.unlink()
    loose.rmdir()
    (tmp_path / "target").rmdir()
