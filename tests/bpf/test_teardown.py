# SPDX-License-Identifier: Apache-2.0
"""Nothing stays: not after a close, not after a SIGKILL, and no loader without its agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.core.config import kernel_from
from tests.bpf.kernel_objects import gone, map_ids, maps_left, programs_using, wait_until
from tests.bpf.live import bring_up, forms

ROOT = Path(__file__).resolve().parents[2]

HOLDER = """
import json, os, sys
from sensor.core.config import kernel_from
from tests.bpf.kernel_objects import map_ids
from tests.bpf.live import bring_up
side = bring_up(kernel_from(os.environ, strict=True, features=sys.argv[1]))
print(json.dumps(sorted(map_ids(side.kernel.session.maps.values()))), flush=True)
sys.stdin.read()
"""

STARTER = """
import os, sys
from sensor.core.config import kernel_from
from sensor.core.paths import find_data
from sensor.startup import Startup
startup = Startup(kernel_from(os.environ), find_data())
print(startup._loader._child.pid, flush=True)
sys.stdin.read()
"""


def started(program: str, *arguments: str) -> subprocess.Popen:
    """A Python process of the sensor's."""
    return subprocess.Popen([sys.executable, "-c", program, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_close_leaves_nothing():
    """Programs and maps are gone, and so are the descriptors and the canaries' files."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    side = bring_up(kernel_from(os.environ, strict=True))
    maps = map_ids(side.kernel.session.maps.values())
    folder = side.kernel.canaries._folder
    assert programs_using(maps)
    assert folder.is_dir()
    side.close()
    wait_until(lambda: not maps_left(maps), f"maps are left: {maps_left(maps)}")
    assert programs_using(maps) == set()
    assert not folder.exists()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


@pytest.mark.parametrize("form", forms())
def test_a_killed_agent_leaves_nothing(form):
    """SIGKILL closes the descriptors, and the kernel detaches everything."""
    with started(HOLDER, form) as holder:
        maps = set(json.loads(holder.stdout.readline()))
        assert programs_using(maps)
        assert maps_left(maps) == maps
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    wait_until(lambda: not maps_left(maps), f"maps are left: {maps_left(maps)}")
    assert programs_using(maps) == set()


def test_the_loader_does_not_outlive_its_agent():
    """An agent that is killed while the loader compiles takes it along."""
    with started(STARTER) as agent:
        loader = int(agent.stdout.readline())
        assert not gone(loader)
        agent.send_signal(signal.SIGKILL)
        agent.wait()
    wait_until(lambda: gone(loader), f"the loader {loader} goes on")
