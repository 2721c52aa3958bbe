# SPDX-License-Identifier: Apache-2.0
"""Small recordings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.core.clock import FakeClock
from sensor.core.counters import Counters
from sensor.events.cheader import spec_hash
from sensor.recording.format import Document
from sensor.recording.record import Recorder, describe
from tests.unit.frames_factory import make_frame

if TYPE_CHECKING:
    from pathlib import Path

CONTAINER = b"/docker/" + b"ab" * 32
CGROUPS = ((1, b"/"), (7, CONTAINER))
RULESET = b"""apiVersion: scout.dev/v1alpha1
kind: RuntimeRuleset
metadata: {name: recorded-ruleset}
spec:
  rules: [{id: SC-0000, mitigation: log}]
"""
DOCUMENTS = (Document("policy.yaml", RULESET),)
FRAMES = (
    (make_frame("open", ts_ns=1_000, cgroup_id=1, cgroup_path=b"/", path=b"/etc/shadow", candidates=(1 << 256) - 1, comm=b"cat"), 0, 1_500),
    (make_frame("exec", ts_ns=1_200, cgroup_id=7, cgroup_path=CONTAINER, exe_path=b"/bin/sh", cmdline=b"sh\0-c\0id\0"), 1, 1_600),
    (make_frame("exit", ts_ns=1_300, cgroup_id=7, cgroup_path=CONTAINER, flags=1 << 16, exit_code=256), 0, 1_700),
)


def recorder(path: Path, *, counters: Counters | None = None, clock: FakeClock | None = None, **arguments: Any) -> Recorder:
    """Return a recorder with the samples' context."""
    clock = clock or FakeClock(1_000, wall_offset_ns=10**18, boottime_offset_ns=50)
    header = describe(clock, scout_version="0.1", spec_hash=spec_hash(), settings={"host": "true"}, node_name="node-1")
    return Recorder(path, header, counters=counters or Counters(), clock=clock, **{"cgroups": CGROUPS, "documents": DOCUMENTS, **arguments})


def write(path: Path, frames: Any = FRAMES, **arguments: Any) -> Path:
    """Write a finished recording of *frames*."""
    with recorder(path, **arguments) as open_recorder:
        for frame in frames:
            open_recorder.frame(*frame)
        open_recorder.finish({"kernel.ring_full_common": 3})
    return path
