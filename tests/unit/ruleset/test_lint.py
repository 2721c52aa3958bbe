# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from sensor.events.dimensions import CLAUSE_BITS, Profile
from sensor.probes import table_layout as layout
from sensor.probes.tables import build
from sensor.rulelang.dimensions_of import survivors
from sensor.ruleset.load import load
from tests.unit.events_factory import make_event, make_workload
from tests.unit.ruleset.documents import loaded, rule

RULES = Path(__file__).parents[3] / "rules"
OPENED_ALL_DAY = (
    "/etc/ld.so.cache", "/etc/hostname", "/etc/passwd", "/etc/nsswitch.conf", "/etc/localtime", "/etc/hosts", "/etc/resolv.conf", "/etc/gai.conf",
    "/usr/lib/locale/locale-archive", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", "/usr/bin/dash",
    "/usr/lib/os-release", "/proc/7/stat", "/proc/7/status", "/proc/7/maps", "/proc/7/cmdline", "/proc/7/mounts", "/proc/meminfo", "/proc/filesystems",
    "/dev/null", "/dev/zero", "/dev/tty", "/sys/fs/cgroup/cpu.max", "/usr/share/zoneinfo/UTC", "/tmp/x/id_rsa", "/tmp/x/token", "/tmp/x/credentials",
    "/home/u/.ssh/known_hosts", "/home/u/.aws/config.bak", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "warned"),
    [
        ("evt.type = openat and fd.name startswith /etc/", True),
        ("evt.type = openat and not proc.name = x", True),
        ("evt.type = openat and fd.name = /etc/shadow", False),
        ("evt.type = openat and evt.is_open_write = true and fd.name startswith /etc/", False),
        ("evt.type = openat and fd.directory = /etc", False),
        ("evt.type = openat and proc.name = x", False),
        ("evt.type = openat and proc.exepath = /usr/bin/x", False),
        ("evt.type = openat and evt.failed = true and fd.name startswith /etc/", False),
        ("evt.type = execve", False),
    ],
)
def test_dear_clauses_are_warned_about(condition, warned):
    """An open that no early dimension narrows has its path walked."""
    assert bool([one for one in loaded(rule(condition)).warnings if "walked" in one.message]) == warned


def test_a_rule_without_an_event_is_warned_about():
    """It is asked for every kind."""
    assert any("names no event" in one.message for one in loaded(rule("proc.name = a")).warnings)


@pytest.fixture(scope="module")
def managed():
    """Return the managed rules."""
    return load([RULES])


def test_bits_are_left(managed):
    """The managed rules take less than a third of the bits of any kind, so that people's own rules keep theirs."""
    assert all(len(clauses) < CLAUSE_BITS / 3 for clauses in managed.clauses.values())


@pytest.mark.parametrize("path", OPENED_ALL_DAY)
def test_what_everybody_reads_is_dropped_by_its_prints(managed, path):
    """The flags, the print of the name and that of its directory leave no clause of a managed rule: the open costs what an unwatched one does."""
    arrays = build(managed.clauses["open"]).arrays
    directory, leaf = (name.encode() for name in path.rsplit("/", 2)[1:])
    left = arrays["outcome"][0] & arrays["access"][os.O_RDONLY]
    left &= arrays["leaf_print"][layout.name_print(leaf, layout.PRINT_BITS["leaf_print"])]
    left &= arrays["directory_print"][layout.name_print(directory, layout.PRINT_BITS["directory_print"])]
    assert left == 0


@pytest.mark.parametrize("profile", [Profile.HOST, Profile.CONTAINER])
def test_ordinary_programs_and_connections_stay_in_the_kernel(managed, profile):
    """No clause is kept by a shell that starts a tool, nor by a client that connects to a service or a socket."""
    workload = make_workload(profile)
    program = make_event("exec", exe_path="/usr/bin/true", comm="true", pcomm="bash", workload=workload)
    web = make_event("connect", comm="client", daddr="10.1.2.3", dport=443, workload=workload)
    socket = make_event("connect", comm="client", family=1, unix_path=b"/run/x.sock", workload=workload)
    assert [survivors(managed.clauses[event.kind_name], event) for event in (program, web, socket)] == [0, 0, 0]
