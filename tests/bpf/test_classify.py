# SPDX-License-Identifier: Apache-2.0
"""Classification: what a clause's constraints say of an act is what its bit says; what no clause wants never leaves the kernel."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest

from sensor.events.dimensions import Constraint, Dimension, PathPattern, Profile
from tests.bpf.live import below, clause, describe, exactly, is_, not_, opened

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
ONLY_SUCCEEDED = is_(Dimension.OUTCOME, 0)


def test_what_no_clause_wants_stays_in_the_kernel(side, driver, name, tmp_path):
    """Opens, execs and connects that no clause can match are not sent, not even to be dropped."""
    (tmp_path / "other").write_text("")
    never = b"n" + name.encode()
    side.watch(
        opened(never),
        clause("open", ONLY_SUCCEEDED, is_(Dimension.PATH, exactly(f"/{name}"), below(f"/{name}/"))),
        clause("exec", is_(Dimension.COMM, never)),
        clause("connect", is_(Dimension.PORT, 1), is_(Dimension.ADDRESS)),
    )
    before = side.kernel.session.sent()
    driver("comm", name, "opens", 500, tmp_path / "other", "open", f"/{name}", 0, 0, "connect", "tcp", 0, "4", "127.0.0.1", 9, "tryexec", "/nothing")
    after = side.kernel.session.sent()
    assert {kind: after[kind] - before[kind] for kind in ("open", "exec", "connect")} == {"open": 0, "exec": 0, "connect": 0}
    assert [event for event in side.drain() if event.kind_name != "exit"] == []


def dimensions(name: str, path: Path) -> tuple[tuple[Constraint, bool], ...]:
    """Constraints on an open of *path* (reading and creating) by a process of ours called *name*, without a terminal; whether they hold."""
    directory, leaf = os.fsencode(path.parent.name), os.fsencode(path.name)
    return (
        (is_(Dimension.LEAF, leaf, b"x"), True),
        (is_(Dimension.LEAF, leaf[:-1]), False),
        (is_(Dimension.LEAF, leaf + b"x"), False),
        (not_(Dimension.LEAF, leaf), False),
        (not_(Dimension.LEAF, b"x"), True),
        (is_(Dimension.DIRECTORY, directory), True),
        (is_(Dimension.DIRECTORY, leaf), False),
        (not_(Dimension.DIRECTORY, directory, b"x"), False),
        (not_(Dimension.DIRECTORY, b"x"), True),
        (is_(Dimension.ABOVE, os.fsencode(path.parent.parent.name)), True),
        (is_(Dimension.ABOVE, leaf), False),
        (is_(Dimension.COMM, b"x", name.encode()), True),
        (is_(Dimension.COMM, b"x"), False),
        (not_(Dimension.COMM, name.encode()), False),
        (is_(Dimension.PATH, exactly(path)), True),
        (is_(Dimension.PATH, exactly(path.parent)), False),
        (is_(Dimension.PATH, below(path.parent)), True),
        (is_(Dimension.PATH, below(f"{path.parent}/"), exactly("/x")), True),
        (is_(Dimension.PATH, below(f"{path}x")), False),
        (is_(Dimension.PATH, below(b"")), True),
        (not_(Dimension.PATH, exactly(path)), False),
        (not_(Dimension.PATH, below(f"{path.parent}/")), False),
        (not_(Dimension.PATH, below("/x"), exactly(path.parent)), True),
        (is_(Dimension.ACCESS, 0), True),
        (is_(Dimension.ACCESS, 1, 2), False),
        (not_(Dimension.ACCESS, 0), False),
        (is_(Dimension.CREATION, 1, 5), True),
        (is_(Dimension.CREATION, 0, 2), False),
        (not_(Dimension.CREATION, 1), False),
        (is_(Dimension.TTY, 0), True),
        (is_(Dimension.TTY, 1), False),
        (not_(Dimension.TTY, 1), True),
        (is_(Dimension.PROFILE, Profile.HOST), True),
        (is_(Dimension.PROFILE, Profile.CONTAINER), False),
        (not_(Dimension.PROFILE, Profile.CONTAINER), True),
        (is_(Dimension.OUTCOME, 0), True),
        (is_(Dimension.OUTCOME, 1), False),
        (is_(Dimension.UID, 0, 1000), True),
        (is_(Dimension.UID, 65534, 2**32 - 1), False),
        (not_(Dimension.UID, 0), False),
        (not_(Dimension.UID, 65534), True),
        (is_(Dimension.EXE, b"act", b"x"), True),
        (is_(Dimension.EXE, b"x", b"ac", b"act2"), False),
        (not_(Dimension.EXE, b"x"), True),
        (is_(Dimension.PCOMM, b"nobody"), False),
        (not_(Dimension.PCOMM, b"nobody"), True),
    )


def test_each_dimension_of_an_open(side, driver, name, tmp_path):
    """Each constraint, positive and negated, is kept where it holds and dropped where it does not, to the bit."""
    path = tmp_path.resolve() / "directory" / name
    path.parent.mkdir()
    rows = dimensions(name, path)
    by_name, by_file = (is_(Dimension.COMM, name.encode()),), (ONLY_SUCCEEDED, is_(Dimension.LEAF, name.encode()))
    side.watch(*(clause("open", constraint, *(by_file if constraint.dimension is Dimension.COMM else by_name)) for constraint, _ in rows))
    event = side.one(lambda: driver("comm", name, "fork", "setsid", "open", path, os.O_CREAT, 0o600), "open")
    assert event.candidates == sum(1 << bit for bit, (_, holds) in enumerate(rows) if holds), describe(event)


def test_a_terminal_is_seen(side, driver, name, tmp_path):
    """The same process with a terminal keeps the other bit."""
    (tmp_path / name).write_text("")
    side.watch(opened(name, is_(Dimension.TTY, 0)), opened(name, is_(Dimension.TTY, 1)))
    assert side.one(lambda: driver("fork", "terminal", "open", tmp_path / name, 0, 0), "open").candidates == 2
    assert side.one(lambda: driver("fork", "setsid", "open", tmp_path / name, 0, 0), "open").candidates == 1


def test_the_effective_user(side, driver, name):
    """The user that counts is the effective one, in a user namespace too: the one that the frame carries."""
    ours = is_(Dimension.COMM, name.encode())
    side.watch(*(clause("open", ours, constraint) for constraint in (is_(Dimension.UID, 0), is_(Dimension.UID, 1000, 5), not_(Dimension.UID, 1000))))
    for before, euid, candidates in ((("uid", 0, 1000, 0), 1000, 0b010), (("uid", 1000, 0, 0), 0, 0b101), (("unshare", CLONE_NEWUSER), 0, 0b101)):
        event = side.one(lambda before=before: driver("comm", name, *before, "open", "/dev/null", 0, 0), "open")
        assert (event.euid, event.candidates) == (euid, candidates)


def test_a_program_that_is_a_mount_of_its_own(side, driver, name, tmp_path):
    """Its name is its mountpoint's, which the early look-up does not know: every clause about the program stays."""
    under = tmp_path.resolve() / "under"
    under.touch()
    ours = is_(Dimension.COMM, name.encode())
    side.watch(*(clause("open", ours, is_(Dimension.EXE, leaf)) for leaf in (b"under", b"act", b"other")))
    event = side.one(
        lambda: driver("unshare", CLONE_NEWNS, "private", "bind", driver.path, under, "exec", under, "act", "comm", name, "open", "/dev/null", 0, 0), "open"
    )
    assert (event.exe_path, event.candidates) == (os.fsencode(under), 0b111)
    assert side.one(lambda: driver("comm", name, "open", "/dev/null", 0, 0), "open").candidates == 0b010


def test_a_parent_without_a_name(side, driver, name):
    """An empty name is none of the constants."""
    ours = is_(Dimension.COMM, name.encode())
    side.watch(clause("open", ours, is_(Dimension.PCOMM, b"x")), clause("open", ours, not_(Dimension.PCOMM, b"x")))
    event = side.one(lambda: driver("comm", "", "fork", "comm", name, "open", "/dev/null", 0, 0), "open")
    assert (event.pcomm, event.candidates) == (b"", 0b10)


def test_profiles(side, driver, name, tmp_path, make_cgroup):
    """A known cgroup is what it is; one that is not in the table keeps every clause, also below one that is."""
    (tmp_path / name).write_text("")
    host, container = is_(Dimension.PROFILE, Profile.HOST), is_(Dimension.PROFILE, Profile.CONTAINER)
    side.watch(opened(name, host), opened(name, container), opened(name, not_(Dimension.PROFILE, Profile.CONTAINER)))
    outer = make_cgroup("outer")
    inner = make_cgroup("inner", below=outer)

    def candidates(cgroup: Any) -> int:
        return side.one(lambda: driver("put", cgroup.procs, "0", "open", tmp_path / name, 0, 0), "open").candidates

    assert candidates(outer) == 0b111
    side.kernel.session.set_profile(outer.id, Profile.CONTAINER)
    assert (candidates(outer), candidates(inner)) == (0b010, 0b111)
    side.kernel.session.set_profile(outer.id, Profile.HOST)
    assert (candidates(outer), candidates(inner)) == (0b101, 0b111)
    side.kernel.session.forget_profile(outer.id)
    assert candidates(outer) == 0b111


@pytest.mark.parametrize("asked", ["../{0}/x", "./..x/../x", "x..y", "./x", "..", "a/..", "./././././../{0}/x", "./.", "." * 2 + "/." * 100])
def test_dots_in_what_was_asked(side, driver, name, tmp_path, asked):
    """A clause on traversal never misses one, wherever in the string it stands; one on its absence is never lost either."""
    has = ".." in asked.split("/")
    (tmp_path / "..x").mkdir()
    (tmp_path / "a").mkdir()
    for file in ("x", "x..y"):
        (tmp_path / file).write_text("")
    ours = (ONLY_SUCCEEDED, is_(Dimension.COMM, name.encode()))
    side.watch(clause("open", *ours, is_(Dimension.DOTDOT, 1)), clause("open", *ours, is_(Dimension.DOTDOT, 0)), clause("open", *ours))
    event = side.one(lambda: driver("comm", name, "cd", tmp_path, "open", asked.format(tmp_path.name), 0, 0), "open")
    assert event.candidates & 1 >= has
    assert event.candidates & 6 == 6 or has


def test_what_an_earlier_frame_left_is_not_asked(side, driver, name, tmp_path):
    """The scratch is not cleared between two acts: a ".." in it behind the end of a shorter string does not count."""
    ours = (ONLY_SUCCEEDED, is_(Dimension.COMM, name.encode()))
    side.watch(clause("open", *ours, is_(Dimension.DOTDOT, 1)), clause("open", *ours))
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})  # which has one scratch
    try:
        (tmp_path / "d").mkdir()
        (tmp_path / "f").write_text("")
        events = side.after(lambda: driver("comm", name, "cd", tmp_path, "open", "d/../d/../d/../f", 0, 0, "open", "f", 0, 0), kind="open")
    finally:
        os.sched_setaffinity(0, cpus)
    is_scanned = side.kernel.features.bounded_loops  # else what was asked stays unknown
    assert [(event.asked, event.candidates) for event in events] == [(b"d/../d/../d/../f", 3), (b"f", 2 if is_scanned else 3)]


def test_a_name_longer_than_the_table_holds_widens(side, driver, name, tmp_path):
    """Names and patterns that do not fit are unknown to the kernel, which keeps the clause whatever it says."""
    leaf = name + "l" * 40
    path = tmp_path.resolve() / leaf
    path.write_text("")
    long = os.fsencode(path.parent) + b"/" + b"d" * 120
    ours = (ONLY_SUCCEEDED, is_(Dimension.COMM, name.encode()))
    side.watch(
        clause("open", *ours, is_(Dimension.LEAF, leaf.encode())),
        clause("open", *ours, not_(Dimension.LEAF, leaf.encode())),
        clause("open", *ours, is_(Dimension.PATH, exactly(long + b"1"))),
        clause("open", *ours, not_(Dimension.PATH, exactly(long + b"1"))),
        clause("open", *ours),
    )
    assert side.one(lambda: driver("comm", name, "open", path, 0, 0), "open").candidates & 0b11011 == 0b11011
    path = path.parent / ("d" * 120 + "2")
    path.write_text("")
    assert side.one(lambda: driver("comm", name, "open", path, 0, 0), "open").candidates & 0b11100 == 0b11100


class Act:
    """A random open, and what is true of it; a value of None is not known to the kernel."""

    FLAGS = (0, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_PATH)

    def __init__(self, dice: random.Random, files: list[bytes], names: list[str], *, can_scan: bool) -> None:
        self.path, self.comm, self.flags = dice.choice(files), dice.choice(names), dice.choice(self.FLAGS)
        self.contained = dice.random() < 0.5
        self.fails = dice.random() < 0.2
        self.asked = self.path + b".missing" if self.fails else self.path
        if self.fails:
            self.flags &= ~os.O_CREAT
        parts = self.path.rsplit(b"/", 2)
        creation = sum(bit for flag, bit in ((os.O_CREAT, 1), (os.O_TRUNC, 2), (os.O_EXCL, 4), (os.O_APPEND, 8)) if self.flags & flag)
        self.values: dict[Dimension, Any] = {
            Dimension.OUTCOME: int(self.fails),
            Dimension.ACCESS: None if self.fails else 3 if self.flags & os.O_PATH else self.flags & os.O_ACCMODE,
            Dimension.CREATION: creation,
            Dimension.TTY: 0,
            Dimension.LEAF: None if self.fails else parts[2],
            Dimension.DIRECTORY: None if self.fails else parts[1],
            Dimension.PROFILE: Profile.CONTAINER if self.contained else Profile.HOST,
            Dimension.COMM: self.comm.encode(),
            Dimension.PCOMM: b"act",
            Dimension.PATH: self.asked if can_scan or not self.fails else None,
        }

    def keeps(self, constraint: Constraint) -> bool:
        """Whether the constraint holds, or cannot be told."""
        value = self.values[constraint.dimension]
        if value is None:
            return True
        if constraint.dimension is Dimension.PATH:
            found = any(value == one.path if one.exact else value.startswith(one.path) for one in constraint.values)
        else:
            found = value in constraint.values
        return found != constraint.negated

    def words(self, container: Any) -> tuple[object, ...]:
        """For the driver. The parent is called as the driver is, for good."""
        place = ("put", container.procs, "0") if self.contained else ()
        return ("comm", "act", "fork", "setsid", *place, "comm", self.comm, "truth", "open", self.asked, self.flags, 0o600)


def random_constraint(dice: random.Random, dimension: Dimension, acts: list[Act]) -> Constraint:
    """A constraint whose values are some that occur, and near misses of them."""
    pool = [act.values[dimension] for act in acts if act.values[dimension] is not None]
    values = dice.sample(pool, min(len(pool), dice.randint(1, 3)))
    if dimension is Dimension.PATH:
        cut = [value if dice.random() < 0.5 else value[: dice.randint(1, len(value))] for value in values]
        return Constraint(dimension, tuple(PathPattern(value, exact=dice.random() < 0.4) for value in cut), dice.random() < 0.4)
    if isinstance(values[0], bytes):
        values = [value if dice.random() < 0.7 else value[:-1] + b"~" for value in values]
    return Constraint(dimension, tuple(dict.fromkeys(values)), dice.random() < 0.4)


def test_random_clauses_and_acts(side, driver, name, tmp_path, make_cgroup):
    """240 random clauses against 50 random opens: each bit is what a simple evaluator says, neither lost nor kept for nothing."""
    dice = random.Random(20240229)
    root, container = os.fsencode(tmp_path.resolve()), make_cgroup("container")
    side.kernel.session.set_profile(container.id, Profile.CONTAINER)
    folders, leaves = (b"a", b"a/b", b"long-" * 6, b"etc"), (b"shadow", b"shadow-", b"p", b"12345678", b"123456789")
    files = [root + b"/" + folder + b"/" + leaf for folder in folders for leaf in leaves]
    for file in files:
        os.makedirs(os.path.dirname(file), exist_ok=True)  # noqa: PTH103, PTH120  # bytes
    acts = [Act(dice, files, [name, f"u{name[1:]}", "sh"], can_scan=side.kernel.features.bounded_loops) for _ in range(50)]
    for file in files:
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    usable = [dimension for dimension in acts[0].values if dimension is not Dimension.PCOMM]
    ours = is_(Dimension.PCOMM, b"act")
    clauses = [[random_constraint(dice, dimension, acts) for dimension in dice.sample(usable, dice.randint(1, 4))] for _ in range(240)]
    side.watch(*(clause("open", *constraints, ours) for constraints in clauses))
    wrong, kept = [], 0
    for act in acts:
        told: dict[str, str] = {}
        events = side.after(lambda act=act, told=told: told.update(driver(*act.words(container))), kind="open")
        mask = sum(event.candidates for event in events if event.tgid == int(told["pid"]) and event.asked == act.asked)
        expected = sum(1 << bit for bit, constraints in enumerate(clauses) if all(act.keeps(one) for one in constraints))
        kept += expected.bit_count()
        wrong += [(act.values, clauses[bit], "lost" if expected >> bit & 1 else "kept") for bit in range(240) if (mask ^ expected) >> bit & 1]
    assert wrong == []
    assert 240 < kept < 240 * 50 / 2, "the dice make clauses that hold sometimes"


def test_self_exclusion_is_by_identity(side, driver, name, tmp_path):
    """The agent's own acts are not told, in no thread; its children's are, and so are those of a process that takes its name."""
    path = tmp_path / name
    path.write_text("")
    side.watch(opened(name), clause("connect", is_(Dimension.PORT, 9), is_(Dimension.ADDRESS)), clause("connect", is_(Dimension.PORT, 9)))
    before = side.kernel.session.sent()

    def act() -> None:
        path.read_text()
        with socket.socket() as sock:
            sock.connect_ex(("127.0.0.1", 9))

    assert side.after(act) == []
    assert side.during(act) == []
    after = side.kernel.session.sent()
    assert after["connect"] == before["connect"]
    own = Path("/proc/self/comm").read_text().rstrip("\n")
    event = side.one(lambda: driver("comm", own, "open", path, 0, 0), "open")
    assert event.comm == own.encode()
    assert event.ppid == os.getpid()
