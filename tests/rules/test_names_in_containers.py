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
