# SPDX-License-Identifier: Apache-2.0
"""
Soundness on the live kernel: random rules, random real acts, judged by the interpreter.

Every set of rules is installed twice. First beside a clause that keeps every act
of ours, so that each frame carries all bits that survived: a rule that the
interpreter says matches must have its bit, and so must every clause that the
model keeps. Then without them, and with few of the clauses, so that acts end at
every stage: exactly those arrive that had a bit before.

``SCOUT_SEED`` throws other dice; a counterexample becomes a test with a name.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from sensor.events.common import FrameFlag
from sensor.events.decode import EVENT_CLASSES
from sensor.events.dimensions import CLAUSE_BITS, Dimension, Profile
from sensor.rulelang.clauses import RuleTerms, assign, terms_of
from sensor.rulelang.codegen import compile_condition
from sensor.rulelang.dimensions_of import survivors, views
from sensor.rulelang.interpret import holds
from sensor.rulelang.optimize import for_kind, normalize
from sensor.ruleset.roots import host_closures
from tests.bpf.live import SLOW, clause, fewer, is_
from tests.bpf.random_acts import Dice, World, script
from tests.properties.random_conditions import KNOWN, conditions, conjunctions, drawn
from tests.unit.events_factory import make_workload
from tests.unit.rulelang.conditions import tree

SETS = (0, 1, 2, 3, 4)
ACTS = fewer(220)
"""Acts of a set: with `SETS` 1,100 in each form, each done twice."""
AT_ONCE = 12
"""Acts of one driver: their frames fit into the kernel's buffers, however late those are emptied."""
RULES = 160
FEW_BITS = 30
"""Every third set has so few bits that clauses are widened into each other."""
SEED = int(os.environ.get("SCOUT_SEED") or 20261126)
PARTLY_KNOWN = set(FrameFlag) - {FrameFlag.CMDLINE_CUT, FrameFlag.CMDLINE_FAULTED, FrameFlag.CGROUP_CUT, FrameFlag.BOOKKEEPING}
"""What the acts make unknown, or known otherwise than by its name, in every run."""
KINDS = ("open", "exec", "connect")
NUMBERS = re.compile(rb"(?<=/dev/pts/)\d+|\d{3,}")
"""In a path: a process id, an inode, a terminal; what differs between two runs of an act."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition and all that is made of it."""

    text: str
    tree: Any
    match: dict[str, Any]
    terms: dict[str, RuleTerms]


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame of act number *act*, with its members as attributes."""

    act: int
    event: Any

    def key(self) -> tuple[Any, ...]:
        """What is the same when the act is done again."""
        one = self.event
        names = ("kind_name", "syscall", "dirfd", "open_flags", "family", "daddr", "dport", "unix_path", "comm", "pcomm", "euid", "profile", "flags")
        paths = tuple(NUMBERS.sub(b"#", getattr(one, name, b"")) for name in ("path", "fs_path", "asked", "exe_path", "cwd", "cmdline"))
        return (self.act, *(getattr(one, name, None) for name in names), bool(one.tty_dev), min(one.ret, 0), *paths)


def rule_of(number: int, text: str, closures: Any) -> Rule:
    """Compile one condition."""
    checked = tree(text, KNOWN)
    normal = normalize(checked, closures)
    special = {kind: for_kind(normal, kind) for kind in KINDS}
    return Rule(
        text,
        checked,
        {kind: compile_condition(one, "r").match for kind, one in special.items()},
        {kind: RuleTerms(str(number), number % 2 == 0, terms_of(one, kind)) for kind, one in special.items()},
    )


def snapshot(event: Any, path: bytes | None = None) -> Any:
    """The event as it is, or as it is under another path."""
    values = {name: getattr(event, name) for name in EVENT_CLASSES[event.kind_name].__slots__ if name != "workload"}
    if path is not None:
        values["path" if event.kind_name == "open" else "exe_path"] = path
    return SimpleNamespace(kind_name=event.kind_name, ancestors=event.ancestors, workload=make_workload(Profile(event.profile)), **values)


class Runner:
    """Does the acts of a set with certain clauses installed."""

    def __init__(self, side: Any, driver: Any, world: World, name: str) -> None:
        self.side, self.driver, self.world, self.name = side, driver, world, name
        self.batch = Path(world.path.parent, "batch")

    def run(self, acts: list[tuple[bytes, ...]], clauses: dict[str, list[Any]]) -> list[Seen]:
        """Install *clauses* and do *acts*; returns what came, by act. What a busy neighbour made us lose is done again."""
        return self.side.lossless(lambda: self.once(acts, clauses))

    def once(self, acts: list[tuple[bytes, ...]], clauses: dict[str, list[Any]]) -> list[Seen]:
        """Install *clauses* and do *acts*; returns what came, by act."""
        self.world.rebuild()
        self.side.watch(*(one for kind in KINDS for one in clauses[kind]))
        children: list[str] = []
        events: list[Any] = []
        for at in range(0, len(acts), AT_ONCE):
            self.batch.write_bytes(script(acts[at : at + AT_ONCE]))
            events += self.side.during(lambda: children.extend(self.driver("comm", self.name, "batch", self.batch)["children"].split()))
        self.side.watch()  # nobody empties the buffers while the interpreter thinks
        hung = [acts[at] for at, child in enumerate(children) if not child.endswith(":0")]
        assert not hung, f"children that hung and were killed: {hung}"
        number = {int(child.split(":")[0]): at for at, child in enumerate(children)}
        assert len(number) == len(acts)
        seen = []
        for event in events:
            line = (event.tgid, *(tgid for tgid, _comm in event.ancestors))
            act = next((number[tgid] for tgid in line if tgid in number), None)
            if act is not None and event.kind_name in KINDS:
                seen.append(Seen(act, snapshot(event)))
        return seen


def rules_that_match(rules: list[Rule], event: Any, closures: Any) -> set[int]:
    """Numbers of the rules that match under one of the event's views: by the interpreter, with which the generated functions agree."""
    matching = set()
    for path in views(event):
        one = event if path is None else snapshot(event, path)
        for number, rule in enumerate(rules):
            meaning = holds(rule.tree, one, closures)
            assert rule.match[event.kind_name](one) == meaning, (rule.text, describe_seen(one))
            if meaning:
                matching.add(number)
    return matching


def describe_seen(event: Any) -> dict[str, Any]:
    """An event's members that are not empty, for a message."""
    return {name: value for name, value in vars(event).items() if value not in (0, b"", ())}


@pytest.fixture
def runner(session_side, driver, name, make_cgroup):
    """A world that others may enter, cgroups of every sort, and who acts in them."""
    container, unlisted = make_cgroup("container"), make_cgroup("unlisted")
    nested = make_cgroup("nested", below=container)
    session_side.kernel.session.set_profile(container.id, Profile.CONTAINER)
    folder = Path(tempfile.mkdtemp(prefix="scout-", dir="/tmp"))
    folder.chmod(0o755)
    runner = Runner(session_side, driver, World(folder / "w", driver.path), name)
    runner.cgroups = {"container": container.procs, "nested": nested.procs, "unlisted": unlisted.procs}
    runner.parents = [name, *(f"{name[:8]}{end}" for end in ("a", "b-15-by", "", " (x)")), "s p", "(sd-pam)", "123456789"]
    yield runner
    shutil.rmtree(folder)


def test_random_rules_and_real_acts(runner):
    """A rule that matches had its bit, whatever was done and however little is known of it; what no clause wants never arrives, and nothing else is missing."""
    totals: Counter[str] = Counter()
    closures = host_closures()
    for number in SETS:
        one_set(runner, number, closures, totals)
    assert totals["acts"] >= len(SETS) * ACTS, totals
    assert totals["matches"] > totals["acts"], totals
    if SLOW == 1:  # an emulated machine does too few acts for each of them
        assert [flag.name for flag in PARTLY_KNOWN if not totals[flag.name]] == [], "values that are not known were not among them"
    sys.stderr.write(f"{dict(totals)}\n")  # shown by pytest -s


def one_set(runner: Runner, number: int, closures: Any, totals: Counter[str]) -> None:
    """Both passes of one set of rules."""
    runner.world.rebuild()
    words = runner.world.words(runner.parents)
    ours = "proc.pname in ({})".format(", ".join(f'"{parent}"' for parent in runner.parents))  # neighbours' acts stay in the kernel
    texts = drawn(st.one_of(conditions(words), conjunctions(words)), RULES, SEED + number)
    rules = [rule_of(at, f"({text}) and {ours}", closures) for at, text in enumerate(texts)]
    parents = [os.fsencode(parent) for parent in runner.parents]
    acts = Dice(runner.world, runner.cgroups, parents, SEED + number).acts(ACTS)
    bits = FEW_BITS if number % 3 == 2 else CLAUSE_BITS - 1
    clauses = {kind: list(assign(kind, [rule.terms[kind] for rule in rules], bits)[0]) for kind in KINDS}
    everything = {kind: [clause(kind, is_(Dimension.PCOMM, *parents))] for kind in KINDS}
    first = runner.run(acts, {kind: everything[kind] + clauses[kind] for kind in KINDS})
    assert {seen.act for seen in first} == set(range(len(acts))), "an act is not seen"
    matching = [rules_that_match(rules, seen.event, closures) for seen in first]
    lost = []
    for seen, matched in zip(first, matching, strict=True):
        event, own = seen.event, clauses[seen.event.kind_name]
        kept, model = event.candidates >> 1, survivors(own, event)
        named = {int(rule) for at, one in enumerate(own) if kept >> at & 1 for rule in one.rules}
        lost += [(rules[at].text, acts[seen.act], describe_seen(event)) for at in sorted(matched - named)]
        lost += [(own[at], acts[seen.act], describe_seen(event)) for at in range(len(own)) if (model & ~kept) >> at & 1]
        totals["frames"] += 1
        totals.update(flag.name for flag in FrameFlag if event.flags & flag)
        totals["matches"] += len(matched)
        totals["bits kept"] += (kept & ((1 << len(own)) - 1)).bit_count()
        totals["bits of the model"] += model.bit_count()
    assert lost == [], f"{len(lost)}: {lost[:3]}"
    totals["acts"] += len(acts)
    totals["clauses"] += sum(map(len, clauses.values()))
    second_pass(runner, acts, clauses, list(zip(first, matching, strict=True)), totals)


def second_pass(runner: Runner, acts: list[tuple[bytes, ...]], clauses: dict[str, list[Any]], first: list[tuple[Seen, set[int]]], totals: Counter[str]) -> None:
    """The same acts with some of the narrow clauses alone: what arrives is what had one of their bits."""
    dice = random.Random(SEED)
    places = {}
    for kind in KINDS:
        share = Counter(at for seen, _ in first if seen.event.kind_name == kind for at in range(len(clauses[kind])) if seen.event.candidates >> 1 + at & 1)
        count = sum(seen.event.kind_name == kind for seen, _ in first)
        narrow = [at for at in range(len(clauses[kind])) if share[at] < count * 0.15]
        places[kind] = sorted(dice.sample(narrow, min(len(narrow), 25)))
    second = runner.run(acts, {kind: [clauses[kind][at] for at in places[kind]] for kind in KINDS})

    def expected(seen: Seen) -> int:
        kind = seen.event.kind_name
        own = places[kind]
        bits = sum(1 << place for place, at in enumerate(own) if seen.event.candidates >> 1 + at & 1)
        canaries = seen.event.candidates >> 1 + len(clauses[kind])
        return bits | canaries << len(own)

    wanted = {(seen.key(), expected(seen)) for seen, _ in first if expected(seen)}
    arrived = {(seen.key(), seen.event.candidates) for seen in second}
    assert sorted(map(repr, wanted - arrived)) == [], "acts that a clause keeps did not arrive"
    assert sorted(map(repr, arrived - wanted)) == [], "acts arrived that no clause keeps"
    totals["frames of the second pass"] += len(second)
