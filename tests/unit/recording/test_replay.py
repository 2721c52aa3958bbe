# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.counters import Count, Counters
from sensor.core.errors import RecordingError
from sensor.events.dimensions import Profile
from sensor.recording.format import Ending
from sensor.recording.record import Recorder, describe
from sensor.recording.replay import replay
from sensor.workloads.table import WorkloadTable
from tests.unit.recording import samples


class Notebook:
    """A pipeline that writes down what it gets."""

    def __init__(self, context):
        self.context = context
        self.lines = []
        self.finished = 0

    def handle(self, event):
        now_ns = self.context.clock.monotonic_ns()
        self.lines.append((event.kind_name, event.candidates, event.workload.container_id, now_ns, self.context.clock.wall_ns(now_ns)))

    def finish(self):
        self.finished += 1


def run(path, *, recompute=lambda _event: 5, counters=None):
    made = []

    def build(context):
        made.append(Notebook(context))
        return made[0]

    return replay(path, build, recompute=recompute, counters=counters or Counters()), made[0]


def test_a_replay_sees_what_the_recorder_saw(tmp_path):
    """Order, time, workloads, policy and settings come from the file."""
    report, notebook = run(samples.write(tmp_path / "r"))
    container = samples.CONTAINER[8:].decode()
    assert notebook.lines == [
        ("open", 5, "", 1_500, 10**18 + 1_500),
        ("exec", 5, container, 1_600, 10**18 + 1_600),
        ("exit", 0, container, 1_700, 10**18 + 1_700),
    ]
    assert notebook.finished == 1
    assert notebook.context.documents == samples.DOCUMENTS
    assert notebook.context.header.settings == {"host": "true"}
    assert isinstance(notebook.context.workloads, WorkloadTable)
    assert (report.frames, report.undecodable, report.ending, report.trailer.losses) == (3, 0, Ending.FINISHED, {"kernel.ring_full_common": 3})


def test_recorded_candidates_are_not_trusted(tmp_path):
    """A file with every bit set gets the bits of this replay's rules, asked once per event and not for bookkeeping."""
    asked = []

    def recompute(event):
        asked.append((event.kind_name, event.workload.profile))
        return 0

    _, notebook = run(samples.write(tmp_path / "r"), recompute=recompute)
    assert [line[1] for line in notebook.lines] == [0, 0, 0]
    assert asked == [("open", Profile.HOST), ("exec", Profile.CONTAINER)]


def test_two_replays_are_equal(tmp_path):
    """Nothing of this machine or this moment gets in."""
    path = samples.write(tmp_path / "r")
    (first, first_notes), (second, second_notes) = run(path), run(path)
    assert (first, first_notes.lines) == (second, second_notes.lines)


def test_frames_that_are_none_are_counted_as_in_a_live_run(tmp_path):
    """Damage inside a frame costs that frame alone."""
    counters = Counters()
    short = samples.FRAMES[0][0][:50]
    strange = samples.FRAMES[0][0][:4] + b"\xee\xee" + samples.FRAMES[0][0][6:]
    report, notebook = run(samples.write(tmp_path / "r", [(short, 0, 1), (strange, 0, 2), samples.FRAMES[0]]), counters=counters)
    assert (report.frames, report.undecodable, len(notebook.lines)) == (3, 2, 1)
    assert (counters.value(Count.DECODE_TOO_SHORT), counters.value(Count.DECODE_UNKNOWN_KIND)) == (1, 1)


def test_time_never_goes_back(tmp_path):
    """Frames of two lanes may overtake each other; the clock waits."""
    frame = samples.FRAMES[0][0]
    _, notebook = run(samples.write(tmp_path / "r", [(frame, 0, 5_000), (frame, 1, 4_000)]))
    assert [line[3] for line in notebook.lines] == [5_000, 5_000]


def test_a_cut_recording_is_replayed_up_to_the_cut(tmp_path):
    """What is there is replayed and the report says that it is not all."""
    path = samples.write(tmp_path / "r")
    path.write_bytes(path.read_bytes()[:-200])
    report, notebook = run(path)
    assert report.ending is Ending.CUT
    assert report.cut_at is not None
    assert report.trailer is None
    assert (len(notebook.lines), notebook.finished) == (report.frames, 1)


def test_frames_of_another_build_are_refused(tmp_path):
    """Another specification puts members elsewhere: no event is made of such frames."""
    clock = samples.FakeClock()
    with Recorder(tmp_path / "r", describe(clock, scout_version="9.9", spec_hash="f" * 16), counters=Counters(), clock=clock) as recorder:
        recorder.finish()
    with pytest.raises(RecordingError, match="another build") as caught:
        run(tmp_path / "r")
    assert "9.9" in caught.value.hint


def test_paths_learned_on_the_way_name_cut_frames(tmp_path):
    """A frame that carries the end of its cgroup's path finds the whole in the file."""
    frame = samples.make_frame("open", cgroup_id=9, cgroup_path=b"deep/er", flags=1 << 12)
    with samples.recorder(tmp_path / "r") as recorder:
        recorder.frame(frame, 0, 1)
        recorder.cgroup(9, samples.CONTAINER + b"/deep/er")
        recorder.frame(frame, 0, 2)
        recorder.finish()
    _, notebook = run(tmp_path / "r")
    assert [bool(line[2]) for line in notebook.lines] == [False, True]
