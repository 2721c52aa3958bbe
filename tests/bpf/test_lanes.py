# SPDX-License-Identifier: Apache-2.0
"""Two lanes and a bucket for each workload: a flood drowns nobody else, and what it loses is counted to the frame."""

from __future__ import annotations

import pytest

from sensor.events.common import FrameFlag, Lane
from sensor.events.dimensions import Profile
from sensor.probes.session import Buckets
from sensor.workloads.cgroups import PathFinder
from tests.bpf.live import WIDE, opened

SMALL = Buckets(rate_per_s=(1000, 500), burst=(100, 50))
FLOOD = 3000


@pytest.fixture
def small(session_side):
    """The kernel side with small buckets; the losses of these tests are meant."""
    session_side.drain()
    session_side.lost.clear()
    session_side.buckets(SMALL)
    yield session_side
    session_side.buckets(WIDE)
    session_side.take()
    session_side.drain()


@pytest.fixture
def files(name, tmp_path):
    """Two files: one for the flood, one for the act that matters."""
    paths = tmp_path / f"f{name}", tmp_path / f"h{name}"
    for path in paths:
        path.write_text("")
    return paths


def lost(side, before: dict[str, int]) -> dict[str, int]:
    """What was lost since."""
    return {reason: count - before.get(reason, 0) for reason, count in side.losses().items() if count != before.get(reason, 0)}


def test_a_flood_beside_one_act_that_matters(small, driver, files, make_cgroup):
    """The act arrives in the reserved lane; the flood's frames are sent or counted, for its own cgroup; the flood itself is told."""
    flooded, other = make_cgroup("flooded"), make_cgroup("other")
    for cgroup in (flooded, other):
        small.kernel.session.set_profile(cgroup.id, Profile.CONTAINER)
    small.watch(opened(files[0].name), opened(files[1].name, exact=True, high=True))
    before, sent = small.losses(), small.kernel.session.sent()
    with driver.waiting("put", flooded.procs, "0", "wait", "opens", FLOOD, files[0]) as process:

        def act() -> None:
            process.go()
            driver("put", other.procs, "0", "open", files[1], 0, 0)
            process.end()

        events = small.during(act)
    high = [event for event in events if event.candidates & 2]
    assert [(event.lane, event.cgroup_id, event.cgroup_path) for event in high] == [(Lane.RESERVED, other.id, other.name)]
    told = [event for event in events if event.kind_name == "open" and event.candidates & 1]
    dropped = lost(small, before)
    assert set(dropped) == {"bucket_common"}
    assert len(told) + dropped["bucket_common"] == FLOOD
    assert small.kernel.session.flooded()[flooded.id] == dropped["bucket_common"]
    assert other.id not in small.kernel.session.flooded()
    floods = [event for event in events if event.kind_name == "flood"]
    assert floods
    assert {(event.cgroup_id, event.cgroup_path, event.flooded_kind, event.flooded_lane, event.lane) for event in floods} == {
        (flooded.id, flooded.name, 3, Lane.COMMON, Lane.RESERVED)
    }
    assert all(event.flags & FrameFlag.BOOKKEEPING and event.comm == b"act" and 0 < event.dropped <= dropped["bucket_common"] for event in floods)
    now = small.kernel.session.sent()
    assert now["flood"] - sent["flood"] == len(floods)
    assert len(told) >= SMALL.burst[0]


def test_a_workload_that_floods_does_not_lose_its_own_exact_finding(small, driver, files, make_cgroup):
    """The two lanes have buckets of their own: in the middle of a flood the same process's exact act arrives."""
    cgroup = make_cgroup("both")
    small.kernel.session.set_profile(cgroup.id, Profile.CONTAINER)
    small.watch(opened(files[0].name), opened(files[1].name, exact=True, high=True))
    act = ("put", cgroup.procs, "0", "opens", FLOOD, files[0], "open", files[1], 0, 0, "opens", FLOOD, files[0])
    events = small.during(lambda: driver(*act))
    assert [event.lane for event in events if event.candidates & 2] == [Lane.RESERVED]


def test_the_reserved_lane_has_an_end_too(small, driver, files, make_cgroup):
    """A flood of exact acts is cut and counted in its own lane."""
    cgroup = make_cgroup("exact")
    small.kernel.session.set_profile(cgroup.id, Profile.CONTAINER)
    small.watch(opened(files[0].name, exact=True, high=True))
    before = small.losses()
    events = small.during(lambda: driver("put", cgroup.procs, "0", "opens", FLOOD, files[0]))
    told = [event for event in events if event.kind_name == "open"]
    dropped = lost(small, before)
    assert set(dropped) == {"bucket_reserved"}
    assert len(told) + dropped["bucket_reserved"] == FLOOD
    assert {event.lane for event in told} == {Lane.RESERVED}
    assert {(event.flooded_lane, event.cgroup_id) for event in events if event.kind_name == "flood"} == {(Lane.RESERVED, cgroup.id)}


def test_high_is_not_enough(small, driver, files):
    """A clause that is high but wide, or exact but low, takes the common lane."""
    small.watch(opened(files[0].name, high=True), opened(files[1].name, exact=True))
    events = small.during(lambda: driver("open", files[0], 0, 0, "open", files[1], 0, 0))
    assert [event.lane for event in events] == [Lane.COMMON, Lane.COMMON]


def test_nested_cgroups_share_their_containers_bucket(small, driver, files, make_cgroup):
    """Making cgroups inside a container makes no more room."""
    outer = make_cgroup("outer")
    nested = [make_cgroup(f"inner{number}", below=outer) for number in range(4)]
    small.kernel.session.set_profile(outer.id, Profile.CONTAINER)
    small.watch(opened(files[0].name))
    before = small.losses()
    words = [word for cgroup in nested for word in ("put", cgroup.procs, "0", "opens", FLOOD // 4, files[0])]
    events = small.during(lambda: driver(*words))
    told = [event for event in events if event.kind_name == "open"]
    assert len(told) + lost(small, before)["bucket_common"] == FLOOD
    assert small.kernel.session.flooded()[outer.id] == lost(small, before)["bucket_common"]
    assert not {cgroup.id for cgroup in nested} & set(small.kernel.session.flooded())


def test_however_deep_a_container_nests_its_bucket_is_the_same(small, driver, files, make_cgroup):
    """The walk up to the container goes as far as the kernel's loops do; what lies deeper is nobody's, and its whole path is found by its id."""
    deepest = 64 if small.kernel.features.bounded_loops else 8
    nested = [make_cgroup("outer")]
    for _ in range(deepest + 1):
        nested.append(make_cgroup("n", below=nested[-1]))
    outer = nested[0]
    small.kernel.session.set_profile(outer.id, Profile.CONTAINER)
    small.watch(opened(files[0].name))
    before = small.losses()
    events = small.during(lambda: driver("put", nested[deepest].procs, "0", "opens", FLOOD, files[0]))
    told = [event for event in events if event.kind_name == "open"]
    assert {event.profile for event in told} == {Profile.CONTAINER}
    assert len(told) + lost(small, before)["bucket_common"] == FLOOD
    assert small.kernel.session.flooded()[outer.id] == lost(small, before)["bucket_common"]
    (event,) = small.after(lambda: driver("put", nested[deepest + 1].procs, "0", "open", files[0], 0, 0), kind="open")
    assert event.profile == Profile.UNKNOWN
    assert FrameFlag(event.flags) & FrameFlag.CGROUP_CUT
    whole = nested[deepest + 1].name
    assert whole.endswith(event.cgroup_path)
    assert len(event.cgroup_path) < len(whole)
    finder = PathFinder(small.kernel.hierarchy.mount_point)
    assert finder(event.cgroup_id) == whole
    finder.close()


def test_unknown_cgroups_share_one_bucket(small, driver, files, make_cgroup):
    """What nobody told the kernel of has one bucket together, which is counted as nobody's."""
    cgroups = [make_cgroup(f"unknown{number}") for number in range(2)]
    small.watch(opened(files[0].name))
    before, flooded = small.losses(), small.kernel.session.flooded()
    words = [word for cgroup in cgroups for word in ("put", cgroup.procs, "0", "opens", FLOOD // 2, files[0])]
    told = [event for event in small.during(lambda: driver(*words)) if event.kind_name == "open"]
    dropped = lost(small, before)["bucket_common"]
    assert len(told) + dropped == FLOOD
    assert small.kernel.session.flooded()[0] - flooded.get(0, 0) == dropped


def test_a_full_ring_is_counted_and_the_other_lane_goes_on(session_side, driver, files):
    """When nobody takes frames, acts are received or counted, to the frame, and the reserved lane still has room."""
    side, count = session_side, 4000
    side.watch(opened(files[0].name), opened(files[1].name, exact=True, high=True))
    side.drain()
    side.lost.clear()
    before = side.losses()
    driver("opens", count, files[0], "open", files[1], 0, 0)
    events = side.take()
    dropped = lost(side, before)
    assert set(dropped) == {"ring_full_common"}
    events += side.drain()
    unheard = 1 - sum(event.kind_name == "exit" for event in events)  # the driver's own end may have found the ring full, too
    assert sum(bool(event.candidates & 1) for event in events) + dropped["ring_full_common"] == count + unheard
    assert [event.lane for event in events if event.candidates & 2] == [Lane.RESERVED]
    assert lost(side, before) == dropped
    if not side.kernel.features.ringbuf:
        assert sum(side.lost) <= dropped["ring_full_common"], "what perf buffers tell is in the kernel's account already"
