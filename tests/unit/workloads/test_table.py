# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from sensor.core.counters import Count, Counters
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.workloads.containers import HOST, UNKNOWN
from sensor.workloads.table import WorkloadTable
from tests.unit.pods_factory import cgroup_path, make_pod, uid_of

ID = b"ab" * 32
OTHER = b"cd" * 32


def frame(cgroup_id, path, flags=0):
    return SimpleNamespace(cgroup_id=cgroup_id, cgroup_path=path, flags=flags)


def test_events_of_one_cgroup_share_one_workload():
    """The second event of a cgroup costs a look-up and gives the same object."""
    table = WorkloadTable(Counters())
    first = table.lookup(frame(7, b"/docker/" + ID))
    assert first.container_id == ID.decode()
    assert table.lookup(frame(7, b"/docker/" + ID)) is first


def test_a_cgroup_id_used_again_never_gives_the_old_name():
    """Below 5.5 ids come back: another path under a known id is another workload, and the kernel's map is told."""
    told = []
    table = WorkloadTable(Counters(), learned=lambda *pair: told.append(pair))
    table.lookup(frame(7, b"/system.slice/a.service"))
    assert table.lookup(frame(7, b"/docker/" + ID)).container_id == ID.decode()
    assert table.lookup(frame(7, b"/docker/" + OTHER)).container_id == OTHER.decode()
    assert told == [(7, Profile.HOST), (7, Profile.CONTAINER)]


def test_a_cut_path_is_looked_up_whole():
    """With a resolver the whole path counts, once per cgroup; what contradicts the frame's own bytes is not believed."""
    asked = []
    paths = {7: b"/docker/" + ID + b"/deep/deeper", 8: b"/docker/" + ID + b"/elsewhere"}

    def resolve(cgroup_id):
        asked.append(cgroup_id)
        return paths.get(cgroup_id)

    counters = Counters()
    table = WorkloadTable(counters, resolve=resolve)
    for _ in range(2):
        assert table.lookup(frame(7, b"ep/deeper", FrameFlag.CGROUP_CUT)).container_id == ID.decode()
    assert table.lookup(frame(8, b"ep/deeper", FrameFlag.CGROUP_CUT)) == UNKNOWN
    assert table.lookup(frame(9, b"/docker/" + OTHER, FrameFlag.CGROUP_CUT)) == UNKNOWN
    assert asked == [7, 8, 9]
    assert counters.value(Count.WORKLOADS_PATH_CUT) == 2


def test_a_scan_serves_frames_that_carry_less():
    """A cgroup known whole from the scan keeps its workload when a frame has only the end of its path, or none."""
    table = WorkloadTable(Counters())
    table.load([(1, b"/"), (7, b"/docker/" + ID + b"/deep/deeper")])
    assert table.lookup(frame(7, b"ep/deeper", FrameFlag.CGROUP_CUT)).container_id == ID.decode()
    assert table.lookup(frame(7, b"")).container_id == ID.decode()
    assert table.lookup(frame(1, b"/")) == HOST


def test_a_frame_without_a_path_is_the_root_s_or_unknown():
    """Only the hierarchy's root needs no path."""
    table = WorkloadTable(Counters())
    assert table.lookup(frame(1, b"")) == HOST
    assert table.lookup(frame(7, b"")) == UNKNOWN
    assert len(table) == 0


def test_the_table_is_bounded_and_says_what_it_forgot():
    """The cgroup not seen for longest goes, is counted, and is taken out of the kernel's map."""
    told = []
    counters = Counters()
    table = WorkloadTable(counters, max_cgroups=2, learned=lambda *pair: told.append(pair))
    table.lookup(frame(1, b"/a"))
    table.lookup(frame(2, b"/b"))
    table.lookup(frame(1, b"/a"))
    table.lookup(frame(3, b"/c"))
    assert [cgroup_id for cgroup_id, _ in table.paths()] == [1, 3]
    assert counters.value(Count.WORKLOADS_EVICTED) == 1
    assert told[-1] == (2, Profile.UNKNOWN)


def test_a_scan_larger_than_the_table_is_counted():
    """What does not fit at start is not loaded and not silent."""
    counters = Counters()
    table = WorkloadTable(counters, max_cgroups=2)
    assert table.load([(1, b"/"), (2, b"/a"), (3, b"/b"), (2, b"/a")]) == 3
    assert counters.value(Count.WORKLOADS_NOT_LOADED) == 1


def test_the_kernel_gets_what_is_certain():
    """Hosts and containers go into the kernel's map; what is unknown stays out, so that every clause stays on."""
    table = WorkloadTable(Counters())
    table.load([(1, b"/"), (7, b"/docker/" + ID), (8, b"/user.slice/user-1000.slice/user@1000.service/" + ID)])
    assert list(table.kernel_entries()) == [(1, Profile.HOST), (7, Profile.CONTAINER)]


def test_removed_cgroups_are_forgotten_as_others_come():
    """However many come and go, few more than the living are known; one that acts on after its removal is known by its path."""
    living, told = {1}, []
    table = WorkloadTable(Counters(), gone=lambda cgroup_id, _path: cgroup_id not in living, learned=lambda *pair: told.append(pair))
    table.load([(1, b"/")])
    for number in range(2, 1_000):
        living.add(number)
        table.lookup(frame(number, b"/docker/%064x" % number))
        living.discard(number - 20)
        assert len(table) <= 32
    assert (2, Profile.UNKNOWN) in told
    assert table.lookup(frame(2, b"/docker/%064x" % 2)).container_id == f"{2:064x}"
    assert table.lookup(frame(1, b"/")) == HOST


def test_a_cut_path_says_nothing_about_its_cgroup():
    """What is not known whole cannot be looked at, and stays."""
    asked = []
    table = WorkloadTable(Counters(), gone=lambda *pair: bool(asked.append(pair)))
    for number in (2, 3):
        table.lookup(frame(number, b"ep/deeper", FrameFlag.CGROUP_CUT))
    assert (len(table), asked) == (2, [])


def test_a_removed_cgroup_is_forgotten():
    """After its removal nothing of a cgroup is left, here or in the kernel; an unknown one is no mistake."""
    told = []
    table = WorkloadTable(Counters(), learned=lambda *pair: told.append(pair))
    table.lookup(frame(7, b"/docker/" + ID))
    table.forget(7)
    table.forget(7)
    assert len(table) == 0
    assert told == [(7, Profile.CONTAINER), (7, Profile.UNKNOWN)]


def test_names_are_given_and_renewed():
    """What is learned gets its pod at once; what was known before gets it when the API server tells, and keeps its place in the kernel's map."""
    told = []
    pods = {}
    table = WorkloadTable(
        Counters(), named=lambda one: replace(one, pod=pods[one.pod_uid]) if one.pod_uid in pods else one, learned=lambda *pair: told.append(pair)
    )
    table.load([(1, cgroup_path(1)), (2, cgroup_path(2)), (3, b"/a.service")])
    assert table.lookup(frame(1, cgroup_path(1))).pod is None
    pods |= {uid_of(number): make_pod(number) for number in (1, 2, 4)}
    table.rename({uid_of(1)})
    assert table.lookup(frame(1, cgroup_path(1))).pod.name == "web-1"
    assert table.lookup(frame(2, cgroup_path(2))).pod is None
    assert table.lookup(frame(4, cgroup_path(4))).pod.name == "web-4"
    assert [cgroup_id for cgroup_id, _ in told] == [1, 2, 3, 4]
    WorkloadTable(Counters()).rename({uid_of(1)})


def test_what_has_ended_is_not_listed():
    """A cgroup that was removed and not yet forgotten is left out; where nobody can say, all are listed."""
    paths = {1: b"/docker/" + ID, 2: b"/docker/" + OTHER}
    for gone, listed in (({1}, [OTHER]), (set(), [ID, OTHER]), ({1, 2}, [ID, OTHER])):
        table = WorkloadTable(Counters(), resolve=lambda cgroup_id, gone=gone: None if cgroup_id in gone else paths[cgroup_id])
        table.load(paths.items())
        assert [one.container_id.encode() for one in table.living()] == listed
    table = WorkloadTable(Counters())
    table.load(paths.items())
    assert len(table.living()) == 2
