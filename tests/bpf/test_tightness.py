# SPDX-License-Identifier: Apache-2.0
"""
Tightness: soundness alone would be kept by a kernel side that sends everything.

Ordinary work is recorded once with clauses that keep every act. By the model it
is then judged by 20 and by 1,000 rules, as a host's and as a container's, and
the same work is done again with those rules' clauses alone: few acts may leave
the kernel, and no more than by the model, but for what the kernel knows less of.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sensor.events.dimensions import Dimension, Profile
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.links import no_closures
from sensor.ruleset.load import load_texts
from tests.bench.corpus import rules
from tests.bench.figures import MOST_LEFT
from tests.bench.work import ordinary_work
from tests.bpf.live import clause, is_
from tests.unit.events_factory import make_workload

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("open", "exec", "connect")


class Work:
    """Ordinary work in a cgroup of its own."""

    def __init__(self, side: Any, cgroup: Any, folder: Path) -> None:
        self.side, self.cgroup, self.folder = side, cgroup, folder

    def done(self, *clauses: Any, profile: Profile) -> list[Any]:
        """The acts that arrive while it is done under *clauses*."""
        self.side.kernel.session.set_profile(self.cgroup.id, profile)
        events = self.side.lossless(lambda: self.once(*clauses))
        return [event for event in events if event.cgroup_id == self.cgroup.id and event.kind_name in KINDS]

    def once(self, *clauses: Any) -> list[Any]:
        """Everything that arrives meanwhile."""
        self.side.watch(*clauses)
        events = self.side.during(lambda: ordinary_work(self.folder, lambda: self.cgroup.procs.write_text("0")))
        self.side.watch()
        return events


@pytest.fixture
def work(session_side, make_cgroup, tmp_path):
    """Ordinary work."""
    (tmp_path / "work").mkdir()
    return Work(session_side, make_cgroup("work"), tmp_path / "work")


def as_profile(event: Any, profile: Profile) -> Any:
    """The event as one of a workload of that profile."""
    names = [name for name in event.__slots__ if name != "workload"]
    return SimpleNamespace(kind_name=event.kind_name, workload=make_workload(profile), **{name: getattr(event, name) for name in names})


def test_few_ordinary_acts_leave_the_kernel(work):
    """At 20 rules and at 1,000, by the model and live, of a host and of a container."""
    everything = [clause(kind, is_(Dimension.PROFILE, Profile.CONTAINER)) for kind in KINDS]
    recorded = work.done(*everything, profile=Profile.CONTAINER)
    assert len(recorded) > 2000
    assert {event.kind_name for event in recorded} == set(KINDS)
    for count, most in MOST_LEFT.items():
        clauses = load_texts([("many", rules(count).encode())], closures=no_closures).clauses
        for profile in (Profile.HOST, Profile.CONTAINER):
            kept = [event for event in recorded if survivors(clauses[event.kind_name], as_profile(event, profile))]
            arrived = work.done(*(one for kind in KINDS for one in clauses[kind]), profile=profile)
            shares = len(kept) / len(recorded), len(arrived) / len(recorded)
            sys.stderr.write(f"{count} rules, {profile.name}: of {len(recorded)} acts {shares[0]:.4f} by the model, {shares[1]:.4f} live\n")
            assert max(shares) <= most, sorted({(event.kind_name, event.comm, getattr(event, "asked", b"")) for event in arrived})[:50]
