# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from sensor import running
from sensor.core.clock import FakeClock
from sensor.core.config import RunConfig
from sensor.core.counters import Counters
from sensor.core.errors import DocumentError, RecordingError
from sensor.core.paths import find_data
from sensor.engine.aggregate import WINDOW_NS
from sensor.recording.read import Recording
from tests.unit.frames_factory import make_frame
from tests.unit.recording.samples import write
from tests.unit.ruleset.documents import rule

S = 10**9


class ListSink:
    """Keeps findings."""

    name = "list"

    def __init__(self):
        self.findings, self.closed = [], False

    def write(self, finding):
        self.findings.append(json.loads(json.dumps(finding)))
        return True

    def close(self):
        self.closed = True


@pytest.fixture
def sink(monkeypatch):
    """Where a replay's findings go."""
    made = ListSink()
    monkeypatch.setattr(running, "make_sink", lambda _config, _counters: made)
    return made


@pytest.fixture
def rules(tmp_path):
    """One rule about opens by cat."""
    path = tmp_path / "rules.yaml"
    path.write_text(rule("evt.type = openat and proc.name = cat", name="of opens"))
    return path


def opened(at_ns, **values):
    """A frame, its lane, and when it arrived."""
    return (
        make_frame(
            "open", **{"syscall": 257, "ret": 3, "comm": b"cat", "path": b"/x", "ts_ns": at_ns, "tgid": 10, "cgroup_id": 1, "cgroup_path": b"/", **values}
        ),
        0,
        at_ns,
    )


def test_a_replay_asks_the_rules_not_the_recorded_bits(tmp_path, rules, sink, capsys):
    """Bits cleared in the file change nothing; every finding says that it was replayed."""
    path = write(tmp_path / "r", [opened(S, candidates=0), opened(2 * S, comm=b"dog", candidates=(1 << 256) - 1)], documents=())
    assert running.replay(path, [rules], None, "json") == 0
    assert [(finding["process"]["name"], finding["replayed"]) for finding in sink.findings] == [("cat", True)]
    assert sink.closed
    said = capsys.readouterr().err
    assert said.startswith("2 frames, finished\n")
    assert "findings" in said


def test_the_recorded_policy_is_in_force(tmp_path, rules, sink):
    """What the recorded policy did not choose is silent, unless a policy is given by hand."""
    path = write(tmp_path / "r", [opened(S)])
    assert running.replay(path, [rules], None, "json") == 0
    assert sink.findings == []


def test_windows_close_by_the_recordings_clock(tmp_path, rules, sink):
    """The count of what was folded stands where it stood in the run: before what came after its window."""
    path = write(tmp_path / "r", [opened(S), opened(S + 1), opened(S + WINDOW_NS + 2, tgid=11)], documents=())
    running.replay(path, [rules], None, "json")
    assert [(finding["process"]["pid"], finding["aggregated"], bool(finding["repeats"])) for finding in sink.findings] == [
        (10, 1, False),
        (10, 1, True),
        (11, 1, False),
    ]


def test_a_file_that_is_damaged_is_refused(tmp_path, rules, sink):
    """With what stood before the damage told."""
    path = write(tmp_path / "r", [opened(S), opened(S, tgid=11)], documents=())
    data = bytearray(path.read_bytes())
    data[-120] ^= 1
    path.write_bytes(data)
    with pytest.raises(RecordingError):
        running.replay(path, [rules], None, "json")
    assert sink.findings


def test_rules_with_mistakes_are_refused_before_the_file_is_read(tmp_path, sink):
    """All mistakes, and nothing replayed."""
    (tmp_path / "bad.yaml").write_text("- rule: x\n")
    with pytest.raises(DocumentError):
        running.replay(tmp_path / "none", [tmp_path / "bad.yaml"], None, "json")


def test_a_rule_that_fails_is_counted(tmp_path, rules, sink, monkeypatch, capsys):
    """As in a run."""

    class Failing:
        def __init__(self, _ruleset, failed):
            self.failed = failed

        def match(self, _event, _candidates):
            self.failed("r", ValueError())
            return ()

    monkeypatch.setattr(running, "Matcher", Failing)
    running.replay(write(tmp_path / "r", [opened(S)], documents=()), [rules], None, "json")
    assert "engine: rule failed" in capsys.readouterr().err


def agent_of(monkeypatch):
    """Stand in for the agent; returns what it was made of."""
    made = []
    monkeypatch.setattr(running, "Agent", lambda *arguments, **options: made.append((arguments, options)) or "agent")
    return made


def test_without_a_file_nothing_is_recorded(monkeypatch):
    """`scout run`."""
    made = agent_of(monkeypatch)
    assert running.start(RunConfig(), find_data(), "startup", None, log="log") == "agent"
    assert made == [((RunConfig(), find_data(), "startup"), {"log": "log"})]


def test_a_recording_says_where_it_comes_from(monkeypatch, tmp_path):
    """Kernel, rules, cgroups and the specification of frames are in its header."""
    made = agent_of(monkeypatch)
    options = SimpleNamespace(file=tmp_path / "r", max_bytes=1 << 20, overwrite=False)
    running.start(RunConfig(), find_data(), "startup", options)
    record = made[0][1]["record"]
    agent = SimpleNamespace(
        clock=FakeClock(S),
        counters=Counters(),
        ruleset=SimpleNamespace(hash="abc"),
        kernel=SimpleNamespace(hierarchy=SimpleNamespace(mode=SimpleNamespace(value="v2"), controller="")),
        workloads=SimpleNamespace(paths=lambda: iter([(1, b"/")])),
        pipeline=SimpleNamespace(policy=SimpleNamespace(name="built-in")),
    )
    record(agent).finish({})
    with Recording(options.file) as recording:
        assert (recording.header.rules_hash, recording.header.cgroup_mode, recording.cgroups) == ("abc", "v2", ((1, b"/"),))
