# SPDX-License-Identifier: Apache-2.0
"""
What many rules cost the kernel: the same acts under 20, 100 and 1,000 rules, in turn.

One kernel side is loaded; the tables of one set of rules after the other are
put into it, slice by slice, and the kernel's own account says how long the
programs ran for an act that no rule matches. Ordinary work under each set says
what share of its acts leaves the kernel.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.events.dimensions import Profile
from sensor.rulelang.links import no_closures
from sensor.ruleset.load import load_texts
from sensor.workloads import cgroups
from tests.bench import loads, programs
from tests.bench.corpus import rules
from tests.bench.results import Series, put
from tests.bench.work import ordinary_work
from tests.bpf.live import bring_up, clause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.events.dimensions import Clause
    from tests.bench.loads import Load

COUNTS = (20, 100, 1000)
KINDS = ("open", "exec", "connect")
_SLICES = 12
_LEAST_ACTS = 100
_EXEC = ("on_exec", "on_exec_failed")


def clauses_of(count: int) -> list[Clause]:
    """Return the clauses of so many rules, their places their bits."""
    by_kind = load_texts([("many", rules(count).encode())], closures=no_closures).clauses
    return [one for kind in KINDS for one in by_kind[kind]]


def measure(by_name: dict[str, Load], scale: float) -> tuple[Series, dict[str, tuple[int, int]]]:
    """
    Return the programs' time per act (number of rules → workload → one value a slice) and, by number of rules, ordinary acts that left the kernel, and all.

    The workload ``exec`` is the programs of exec alone, in the workload ``fork``.
    """
    sets = {count: clauses_of(count) for count in COUNTS}
    side = bring_up()
    try:
        own, _path = side.kernel.own_cgroup()
        side.kernel.session.set_profile(own, Profile.HOST)
        return _times(side, sets, by_name, scale), {str(count): found for count, found in _shares(side, sets)}
    finally:
        side.close()


def _times(side: Any, sets: dict[int, list[Clause]], by_name: dict[str, Load], scale: float) -> Series:
    found: Series = {}
    ids = programs.programs_of(os.getpid())
    with tempfile.NamedTemporaryFile(prefix="scout-bench-") as file, programs.accounting():
        written = replace(by_name["open"], name="writes", paths=(file.name,), options=("-w",))
        measured = {name: by_name[name] for name in ("open", "opens", "connect", "fork")} | {"writes": written}
        for number in range(_SLICES):
            for place in range(len(COUNTS)):
                count = COUNTS[(number + place) % len(COUNTS)]
                side.watch(*sets[count])
                for name, load in measured.items():
                    acts = max(_LEAST_ACTS, int(load.count * scale) // _SLICES)
                    before = programs.account(ids)
                    loads.run(load, acts)
                    done = programs.between(before, programs.account(ids), acts)
                    put(found, str(count), name, programs.total_ns(done))
                    if name == "fork":
                        put(found, str(count), "exec", programs.total_ns({one: runs for one, runs in done.items() if one in _EXEC}))
                    side.take()
    return found


def _shares(side: Any, sets: dict[int, list[Clause]]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Ordinary work, in a cgroup of its own: each set's frames, and all acts, which clauses without a constraint keep."""
    cgroup = side.kernel.hierarchy.mount_point / f"scout-bench-{os.getpid()}"
    cgroup.mkdir()
    try:
        number = cgroups.kernfs_id(cgroup)
        side.kernel.session.set_profile(number, Profile.CONTAINER)
        with tempfile.TemporaryDirectory(prefix="scout-bench-") as folder:
            work = Path(folder, "work")
            work.mkdir()

            def acts(clauses: list[Clause]) -> int:
                side.watch(*clauses)
                events = side.during(lambda: ordinary_work(work, lambda: (cgroup / "cgroup.procs").write_text("0")))
                side.watch()
                return sum(event.cgroup_id == number and event.kind_name in KINDS for event in events)

            total = acts([clause(kind) for kind in KINDS])
            for count, clauses in sets.items():
                yield count, (acts(clauses), total)
    finally:
        cgroup.rmdir()
