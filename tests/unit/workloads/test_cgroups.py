# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.core.counters import Count, Counters
from sensor.core.errors import KernelUnsupported
from sensor.workloads import cgroups
from sensor.workloads.cgroups import Mode

V2 = "24 18 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
V2_BESIDE = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
SYSTEMD = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
PIDS = "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
CPU = "39 31 0:36 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
NET = "42 31 0:39 / /sys/fs/cgroup/net_cls rw,relatime - cgroup cgroup rw,net_cls,net_prio\n"
OTHER = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n1 0 8:1 / / rw - ext4 /dev/vda rw\nbroken\n"

PROC_CGROUPS = """#subsys_name\thierarchy\tnum_cgroups\tenabled
cpuset\t3\t1\t1
cpu\t1\t1\t1
cpuacct\t2\t1\t1
blkio\t7\t1\t1
memory\t4\t13\t1
devices\t5\t1\t1
freezer\t6\t1\t1
net_cls\t0\t1\t1
perf_event\t0\t1\t1
net_prio\t0\t1\t1
hugetlb\t0\t1\t1
pids\t8\t1\t1
"""


def detect(tmp_path, mountinfo):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(mountinfo)
    return cgroups.detect(proc=tmp_path, host_root=tmp_path)


@pytest.mark.parametrize(
    ("mountinfo", "mode", "controller", "point"),
    [
        (OTHER + V2, Mode.UNIFIED, "", "sys/fs/cgroup"),
        (V2 + NET, Mode.UNIFIED, "", "sys/fs/cgroup"),
        (V2_BESIDE + SYSTEMD + CPU, Mode.UNIFIED, "", "sys/fs/cgroup/unified"),
        (OTHER + SYSTEMD + CPU + PIDS + MEMORY + V2_BESIDE, Mode.HYBRID, "memory", "sys/fs/cgroup/memory"),
        (OTHER + PIDS + V2_BESIDE, Mode.HYBRID, "pids", "sys/fs/cgroup/pids"),
        (SYSTEMD + MEMORY, Mode.LEGACY, "memory", "sys/fs/cgroup/memory"),
        (CPU + PIDS, Mode.LEGACY, "pids", "sys/fs/cgroup/pids"),
        (SYSTEMD + CPU, Mode.LEGACY, "cpu", "sys/fs/cgroup/cpu,cpuacct"),
        (MEMORY.replace(" / /sys", " /docker/x /bound") + MEMORY, Mode.LEGACY, "memory", "sys/fs/cgroup/memory"),
        (V2.replace("/sys/fs/cgroup", "/with\\040space"), Mode.UNIFIED, "", "with space"),
    ],
)
def test_the_hierarchy_that_names_workloads(tmp_path, mountinfo, mode, controller, point):
    """Pure v2 is keyed by the unified tree, v1 and hybrid by a controller that all runtimes use; a stray v1 mount changes nothing."""
    found = detect(tmp_path, mountinfo)
    assert (found.mode, found.controller, found.mount_point, found.whole) == (mode, controller, tmp_path / point, False)


@pytest.mark.parametrize("mountinfo", [OTHER, SYSTEMD, NET, ""])
def test_no_hierarchy_is_a_refusal(tmp_path, mountinfo):
    """A machine without a usable hierarchy is refused in words, not guessed at."""
    with pytest.raises(KernelUnsupported, match="no cgroup hierarchy"):
        detect(tmp_path, mountinfo)


def test_no_procfs_is_a_refusal(tmp_path):
    """Without mountinfo there is nothing to detect."""
    with pytest.raises(KernelUnsupported, match="mountinfo"):
        cgroups.detect(proc=tmp_path)


def test_the_place_of_a_controller_in_the_kernel():
    """BTF's enum stands first, then the place in /proc/cgroups, then those near it, each once."""
    enum = {"memory_cgrp_id": 5, "io_cgrp_id": 3}

    def lookup(name, enumerator):
        return enum.get(enumerator) if name == "cgroup_subsys_id" else None

    assert cgroups.subsys_index("memory", lookup) == 5
    assert cgroups.subsys_index("blkio", lookup) == 3
    assert cgroups.subsys_index("nothing", lookup) is None
    assert cgroups.subsys_candidates("memory", PROC_CGROUPS)[:3] == (4, 5, 3)
    assert cgroups.subsys_candidates("memory", PROC_CGROUPS, lookup)[:3] == (5, 4, 3)
    for controller in ("memory", "pids", "unheard-of"):
        assert sorted(cgroups.subsys_candidates(controller, PROC_CGROUPS, lookup)) == list(range(16))


def test_the_agent_s_own_cgroup():
    """The line of the hierarchy is found whatever stands beside it, colons in the path included."""
    text = "9:name=systemd:/s\n8:pids:/p\n5:cpu,cpuacct:/c:d\n4:memory:/m\n0::/u:v\n"
    proof = {"memory": "/m", "pids": "/p", "cpuacct": "/c:d", "": "/u:v"}
    for controller, path in proof.items():
        mode = Mode.HYBRID if controller else Mode.UNIFIED
        assert cgroups.own_path(cgroups.Hierarchy(mode=mode, mount_point=Path("/"), controller=controller, whole=True), text) == path
    with pytest.raises(KernelUnsupported, match="freezer"):
        cgroups.own_path(cgroups.Hierarchy(mode=Mode.LEGACY, mount_point=Path("/"), controller="freezer", whole=True), text)


def test_a_scan_walks_parents_before_children(tmp_path):
    """Every directory appears once, with the id that stat knows, after its parent; files and links do not."""
    (tmp_path / "b" / "inner").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("b")
    (tmp_path / os.fsdecode(b"\xff\n")).mkdir()
    found = list(cgroups.scan(tmp_path, counters=Counters()))
    assert [path for _, path in found] == [b"/", b"/a", b"/b", b"/\xff\n", b"/b/inner"]
    assert all(number == Path(os.fsdecode(os.fsencode(tmp_path) + path)).stat().st_ino for number, path in found)


@pytest.mark.parametrize("bound", [1, 2, 5])
def test_a_scan_is_bounded_and_says_so(tmp_path, bound):
    """A hierarchy larger than the bound is cut there, and that is counted."""
    for name in range(10):
        (tmp_path / str(name)).mkdir()
    counters = Counters()
    assert len(list(cgroups.scan(tmp_path, counters=counters, max_directories=bound))) == bound
    assert counters.value(Count.WORKLOADS_SCAN_CUT) == 1


def test_a_scan_that_just_fits_is_not_cut(tmp_path):
    """The bound itself is allowed."""
    (tmp_path / "one" / "two").mkdir(parents=True)
    counters = Counters()
    assert len(list(cgroups.scan(tmp_path, counters=counters, max_directories=3))) == 3
    assert counters.value(Count.WORKLOADS_SCAN_CUT) == 0


def test_a_directory_that_vanishes_during_a_scan_is_counted(tmp_path):
    """Containers end while we look; the scan goes on."""
    (tmp_path / "gone").mkdir()
    (tmp_path / "stays").mkdir()
    counters = Counters()
    found = []
    for _, path in cgroups.scan(tmp_path, counters=counters):
        found.append(path)
        if path == b"/stays":
            (tmp_path / "gone").rmdir()
    assert found == [b"/", b"/gone", b"/stays"]
    assert counters.value(Count.WORKLOADS_SCAN_UNREADABLE) == 1


def test_a_root_that_is_not_there_is_an_error(tmp_path):
    """A wrong mount point is not an empty hierarchy."""
    with pytest.raises(FileNotFoundError):
        list(cgroups.scan(tmp_path / "nowhere", counters=Counters()))


def test_this_machine_s_hierarchy_agrees_with_itself():
    """Where cgroups are mounted: scan, handle and path finder give one id and one path for each directory still there."""
    try:
        hierarchy = cgroups.detect()
    except KernelUnsupported:
        pytest.skip("no cgroups are mounted here")
    finder = cgroups.PathFinder(hierarchy.mount_point)
    for number, path in cgroups.scan(hierarchy.mount_point, counters=Counters(), max_directories=50):
        try:
            again = cgroups.kernfs_id(os.fsencode(hierarchy.mount_point) + path)
        except FileNotFoundError:
            continue
        assert number == again
        assert finder(number) in {path, None}
    finder.close()
    assert finder(1) is None


def test_what_was_removed_is_told_from_what_is_there(tmp_path):
    """Gone, there, another directory of that name; ids below 5.5 have 32 bits; a mount that does not show everything tells nothing."""
    whole = cgroups.Hierarchy(mode=cgroups.Mode.UNIFIED, mount_point=tmp_path, controller="", whole=True)
    removed = cgroups.Removal(whole)
    (tmp_path / "here").mkdir()
    inode = (tmp_path / "here").stat().st_ino
    assert not removed(inode, b"/here")
    assert not removed(inode | 7 << 32, b"/here")
    assert removed(inode + 1, b"/here")
    assert removed(inode, b"/gone")
    assert not removed(inode, b"/" + b"x" * 5000)
    assert not cgroups.Removal(replace(whole, whole=False))(inode, b"/gone")


def test_an_id_that_nobody_has_has_no_path(tmp_path):
    """The path finder answers None for ids out of range and for file systems that are no cgroups."""
    finder = cgroups.PathFinder(tmp_path)
    for number in (0, -1, 1 << 64, 4711):
        assert finder(number) is None
    finder.close()
