# SPDX-License-Identifier: Apache-2.0
"""Every finding carries the id of the very container that did it: at once, in a hurry, from a nested cgroup."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from tests.rules.sensor import asked, container_of, rule_of

MARK = "/scout-test/mark"
SHORT_LIVES = 50
NEST = "d=/sys/fs/cgroup; [ ! -d $d/memory ] || d=$d/memory; mkdir $d/nested && echo $$ > $d/nested/cgroup.procs && "


def marks(findings):
    """Return the asked paths of the marked opens with their containers' ids."""
    return sorted((asked(finding), container_of(finding)) for finding in findings if rule_of(finding) == "TEST-OPEN")


def test_two_at_once(sensor, containers):
    """Two containers open the same file again and again at the same time; each has its findings, none has the other's."""
    since = sensor.mark()
    script = f"for i in 1 2 3 4 5 6 7 8; do cat {MARK}/$i; done"
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: containers.run(["sh", "-c", script]), range(2)))
    sensor.fence()
    assert marks(sensor.since(since)) == sorted((f"{MARK}/{number}", result.container_id) for number in range(1, 9) for result in results)


def test_short_lives(sensor, containers):
    """Containers that live a few milliseconds and open one file each: as many findings, each with its own id and pid 1 inside."""
    since = sensor.mark()
    names = [f"{MARK}/{secrets.token_hex(4)}" for _ in range(SHORT_LIVES)]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda name: containers.run(["cat", name]).container_id, names))
    sensor.fence()
    found = sensor.since(since)
    assert marks(found) == sorted(zip(names, ids, strict=True))
    assert {finding["process"]["container_pid"] for finding in found if asked(finding) in names} == {1}


def test_a_nested_cgroup(performed):
    """A process that makes a cgroup below its container's and moves into it is still that container's."""
    name = f"{MARK}/{secrets.token_hex(4)}"
    result, found = performed(["sh", "-c", NEST + f"cat {name}"], own_cgroups=True)
    assert b"can't open" in result.output, result.output
    assert marks(found) == [(name, result.container_id)]


def test_a_cgroup_named_like_another_container(performed):
    """A container that names its nested cgroup like another container's id does not become that one."""
    name, other = f"{MARK}/{secrets.token_hex(4)}", secrets.token_hex(32)
    result, found = performed(["sh", "-c", NEST.replace("nested", other) + f"cat {name}"], own_cgroups=True)
    assert marks(found) == [(name, result.container_id)]


def test_the_host_is_not_a_container(sensor):
    """The test's own open, outside of every container, is the host's."""
    since = sensor.mark()
    sensor.fence()
    fences = [finding for finding in sensor.findings[since:] if rule_of(finding) == "TEST-FENCE"]
    assert {(finding["scope"], finding["container"]) for finding in fences} == {("host", None)}
