# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os

import pytest

from sensor.core.clock import FakeClock, RealClock
from sensor.core.counters import Count, Counters
from sensor.core.errors import RecordingError, UsageError
from sensor.recording import format as layout
from sensor.recording.format import Ending
from sensor.recording.read import Recording
from sensor.recording.record import MIN_MAX_BYTES, describe
from tests.unit.recording import samples


def test_a_recording_has_its_name_only_when_whole(tmp_path):
    """Until `finish` there is a partial file, private to its owner; then there is the recording, and nothing else."""
    path = tmp_path / "r"
    with samples.recorder(path) as recorder:
        recorder.frame(*samples.FRAMES[0])
        assert [entry.name for entry in tmp_path.iterdir()] == ["r.partial"]
        assert recorder.partial.stat().st_mode & 0o777 == 0o600
        trailer = recorder.finish()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]
    assert (trailer.frames, trailer.frame_bytes, trailer.ending) == (1, len(samples.FRAMES[0][0]), Ending.FINISHED)


def test_a_recorder_that_stops_early_leaves_what_it_had(tmp_path):
    """Without `finish` the partial file stays and can be read."""
    with samples.recorder(tmp_path / "r") as recorder:
        recorder.frame(*samples.FRAMES[0])
    with Recording(recorder.partial) as recording:
        assert len(list(recording.frames())) == 1
        assert recording.ending is Ending.CUT


def test_flushed_frames_survive_the_agent(tmp_path):
    """What was flushed can be read while the recorder is still open."""
    with samples.recorder(tmp_path / "r") as recorder:
        recorder.frame(*samples.FRAMES[0])
        recorder.flush()
        with Recording(recorder.partial) as recording:
            assert len(list(recording.frames())) == 1


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path):
    """Neither at the start nor at the end; asked to, it is replaced."""
    path = tmp_path / "r"
    path.write_text("precious")
    with pytest.raises(UsageError, match="is there already"):
        samples.recorder(path)
    samples.write(path, overwrite=True)
    assert path.read_bytes().startswith(layout.MAGIC)
    path.unlink()
    with samples.recorder(path) as recorder:
        path.write_text("precious")
        with pytest.raises(UsageError, match="meanwhile"):
            recorder.finish()
    assert path.read_text() == "precious"
    assert recorder.partial.exists()


def test_a_link_in_the_partial_file_s_place_is_not_followed(tmp_path):
    """Somebody who can write the folder cannot aim the recorder at another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "r.partial").symlink_to(victim)
    samples.write(tmp_path / "r")
    assert victim.read_text() == "precious"


def test_a_folder_that_is_not_there_is_one_clear_message(tmp_path):
    """The recorder says which file it could not make."""
    with pytest.raises(UsageError, match=r"r\.partial cannot be made"):
        samples.recorder(tmp_path / "nowhere" / "r")


def test_the_limit_holds_and_is_counted(tmp_path):
    """The file never exceeds its limit, keeps an unbroken beginning, and tells how much is missing."""
    counters = Counters()
    frame = (b"x" * 10_000, 0, 5)
    with samples.recorder(tmp_path / "r", counters=counters, max_bytes=MIN_MAX_BYTES) as recorder:
        for _ in range(200):
            recorder.frame(*frame)
        recorder.frame(b"small", 0, 6)
        trailer = recorder.finish()
    assert (tmp_path / "r").stat().st_size <= MIN_MAX_BYTES
    assert trailer.ending is Ending.LIMIT
    assert trailer.frames + trailer.left_out == 201
    assert counters.value(Count.RECORDING_LIMIT) == trailer.left_out > 50
    with Recording(tmp_path / "r") as recording:
        assert len(list(recording.frames())) == trailer.frames


def test_a_limit_too_small_is_refused(tmp_path):
    """A limit that cannot hold the context is refused before anything is written."""
    with pytest.raises(UsageError, match="too small"):
        samples.recorder(tmp_path / "r", max_bytes=1000)
    with pytest.raises(UsageError, match="do not hold"):
        samples.recorder(tmp_path / "r", max_bytes=MIN_MAX_BYTES, documents=[layout.Document(str(n), b"x" * 250_000) for n in range(5)])
    assert list(tmp_path.iterdir()) == []


def test_a_frame_longer_than_any_is_counted_not_written(tmp_path):
    """A record that cannot be a frame does not stop the recording."""
    counters = Counters()
    samples.write(tmp_path / "r", [(b"x" * (layout.MAX_FRAME_BYTES + 1), 0, 1), samples.FRAMES[0]], counters=counters)
    assert counters.value(Count.RECORDING_TOO_LONG) == 1
    with Recording(tmp_path / "r") as recording:
        assert [frame.sequence for frame in recording.frames()] == [0]


def test_a_full_disk_is_counted_and_told_at_the_end(tmp_path):
    """Writing that fails never raises into the drain loop; `finish` says why, and the partial file stays."""

    class Full:
        def write(self, _data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self):
            pass

    counters = Counters()
    with samples.recorder(tmp_path / "r", counters=counters) as recorder:
        recorder.frame(*samples.FRAMES[0])
        recorder._file.close()
        recorder._file = Full()
        for _ in range(3):
            recorder.frame(*samples.FRAMES[1])
        with pytest.raises(RecordingError, match="No space left") as caught:
            recorder.finish()
    assert "first 1 frames" in caught.value.hint
    assert counters.value(Count.RECORDING_FAILED) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.partial"]


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    """FAT and the like refuse link(2); the recording gets its name by a rename."""

    def refuse(*_arguments):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    samples.write(tmp_path / "r")
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]


def test_frames_after_the_end_are_counted(tmp_path):
    """The drain loop may be a step ahead of whoever stops the recording."""
    counters = Counters()
    with samples.recorder(tmp_path / "r", counters=counters) as recorder:
        recorder.finish()
        recorder.frame(*samples.FRAMES[0])
    assert counters.value(Count.RECORDING_FAILED) == 1


def test_the_header_describes_this_machine():
    """Kernel, boot and clocks are those of now."""
    clock = RealClock()
    header = describe(clock, scout_version="1", spec_hash="s")
    assert header.kernel_release == os.uname().release
    assert header.agent_tgid == os.getpid()
    assert header.wall_offset_ns == clock.wall_offset_ns
    assert header.node_name
    fixed = describe(FakeClock(7, wall_offset_ns=3, boottime_offset_ns=2), scout_version="1", spec_hash="s", node_name="n")
    assert (fixed.started_ns, fixed.wall_offset_ns, fixed.boottime_offset_ns, fixed.node_name) == (7, 3, 2, "n")
