# SPDX-License-Identifier: Apache-2.0
"""
Run a recording through the pipeline that frames from the kernel go through.

Two replays of one file with the same rules see the same: the order, the time,
the workloads and the policy come from the file, none from this machine. Two
things are not taken from it. **Candidate bits** say what another kernel's
tables kept, and anybody can set them in a file, so they are computed again from
the event. **Mitigations**: a recording is the past, so the pipeline that `build`
makes must have none; `ReplayContext` offers nothing to carry one out with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sensor.core.clock import FakeClock
from sensor.core.counters import Count
from sensor.core.errors import FrameError, FrameTooShort, RecordingError, UnknownEventKind
from sensor.events.cheader import spec_hash
from sensor.events.common import FrameFlag, Lane
from sensor.events.decode import decode
from sensor.recording import format as layout
from sensor.recording.read import Recording
from sensor.workloads.table import WorkloadTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensor.core.counters import Counters


class Pipeline(Protocol):
    """What a replay feeds."""

    def handle(self, event: Any) -> None:  # noqa: ANN401  # event classes are generated
        """Take the next event: decoded, with ``workload`` and ``candidates`` set. Bookkeeping frames (exit, flood) come too."""

    def finish(self) -> None:
        """There are no more events; report what was held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayContext:
    """What a pipeline is built from."""

    header: layout.Header
    documents: tuple[layout.Document, ...]
    clock: FakeClock
    """Shows each frame's time of arrival while that frame is handled."""
    workloads: WorkloadTable
    counters: Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What was replayed."""

    frames: int
    """Frames read."""
    undecodable: int
    """Frames among them that are not events, counted as in a live run."""
    ending: layout.Ending
    cut_at: int | None
    """See `Recording.cut_at`."""
    trailer: layout.Trailer | None
    """What the recorder said at its end: losses while recording, frames left out."""


def replay(path: Path, build: Callable[[ReplayContext], Pipeline], *, recompute: Callable[[Any], int], counters: Counters) -> ReplayReport:
    """
    Replay one recording.

    Args:
        path: the recording.
        build: makes the pipeline; called once, before the first frame.
        recompute: the candidate bits of an event by the rules of this replay, as
            the kernel's tables would have them. Not asked for bookkeeping frames, which have none.
        counters: where events and frames that are not are counted.

    Raises:
        RecordingError: the recording is of another build, or damaged; the frames before the damage have been handled, `finish` has not been called.
    """
    with Recording(path) as recording:
        header = recording.header
        if header.spec_hash != spec_hash():
            raise RecordingError(
                f"{path} holds frames of another build (specification {header.spec_hash[:12]!r}, ours {spec_hash()[:12]!r})",
                hint=f"replay it with Scout {header.scout_version[:40]!r}",
            )
        clock = FakeClock(header.started_ns, wall_offset_ns=header.wall_offset_ns, boottime_offset_ns=header.boottime_offset_ns)
        workloads = WorkloadTable(counters, node_root=header.node_root)
        workloads.load(recording.cgroups)
        pipeline = build(ReplayContext(header=header, documents=recording.documents, clock=clock, workloads=workloads, counters=counters))
        frames, undecodable = 0, 0
        for block in recording.blocks():
            if isinstance(block, layout.Cgroups):
                workloads.load(block.entries)
                continue
            frames += 1
            clock.advance_to(block.arrival_ns)
            event = _event(block.frame, counters)
            if event is None:
                undecodable += 1
                continue
            counters.event(event.kind_name, Lane(block.lane).name.lower())
            event.workload = workloads.lookup(event)
            event.candidates = 0 if event.flags & FrameFlag.BOOKKEEPING else recompute(event)
            pipeline.handle(event)
        pipeline.finish()
        ending = recording.ending
        assert ending is not None  # noqa: S101  # blocks() has come to its end
        return ReplayReport(frames=frames, undecodable=undecodable, ending=ending, cut_at=recording.cut_at, trailer=recording.trailer)


def _event(frame: bytes, counters: Counters) -> Any:  # noqa: ANN401  # event classes are generated
    try:
        return decode(frame)
    except FrameTooShort:
        counters.add(Count.DECODE_TOO_SHORT)
    except UnknownEventKind:
        counters.add(Count.DECODE_UNKNOWN_KIND)
    except FrameError:
        counters.add(Count.DECODE_DAMAGED)
    return None
