# SPDX-License-Identifier: Apache-2.0
"""Users' names and ancestors' programs as a real container has them, by the sensor as people run it."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rules.sensor import asked, container_of

WHO = "/scout-test/who"
OUTER = "mkfifo /go; sh -c 'true < {file}; read line < /go'; true"


@pytest.fixture
def said(sensor, containers):
    """What the message of an act says while its process and its parent live, in a container with these files."""

    def act(files):
        container_id, file = secrets.token_hex(32), f"{WHO}/{secrets.token_hex(4)}"
        command = ["sh", "-c", OUTER.format(file=file)]
        since = sensor.mark()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(containers.run, command, files=files, container_id=container_id)
            try:
                found = sensor.wait_for(lambda finding: asked(finding) == file, "the act", since=since)
            finally:
                (containers.folder / container_id / "root/go").write_text("\n")
            running.result()
        assert container_of(found) == container_id
        return found["output"], command

    return act


def test_names_and_parents_are_the_containers(said):
    """Root is whoever the container's file says; the parent's program has the container's path."""
    output, command = said({"etc/passwd": b"captain:x:0:0::/:/bin/sh\n", "etc/group": b"crew:x:0:\n"})
    assert output == f"user=captain group=crew parent={' '.join(command)} path=/bin/sh session=sh"


def test_a_parent_that_ends_at_once_is_known(sensor, containers):
    """Its exec was told, with proof that it is the one; every time."""
    since, rounds = sensor.mark(), 20
    file = f"{WHO}/{secrets.token_hex(4)}"
    command = ["sh", "-c", f"cat {file}; true"]
    ids = [containers.run(command).container_id for _ in range(rounds)]
    sensor.fence()
    found = [finding for finding in sensor.since(since) if asked(finding) == file]
    assert [container_of(finding) for finding in found] == ids
    for finding in found:
        assert f"parent={' '.join(command)} path=/bin/sh session=sh" in finding["output"]
