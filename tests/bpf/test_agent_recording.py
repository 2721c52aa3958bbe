# SPDX-License-Identifier: Apache-2.0
"""What was recorded is what replays; and the commands that tell."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import replace

import pytest

from sensor.events.layout import COMMON
from sensor.recording import format as layout
from tests.bpf.agent import FAILURES, MARK_NAME, RULES, Agent, scout
from tests.bpf.test_agent_rules import POLICY


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The tests' own rules."""
    path = tmp_path_factory.mktemp("rules") / "own.yaml"
    path.write_text(RULES + FAILURES)
    return path


@pytest.fixture(scope="module")
def recorded(rules, driver, tmp_path_factory):
    """A recording of a few acts, and what was found meanwhile."""
    folder = tmp_path_factory.mktemp("recording")
    marked = folder / MARK_NAME
    marked.touch()
    with Agent(folder / "a.scout", "--rules", rules, "--output", "json", command="record") as agent:
        agent.ready()
        for number in range(3):
            driver("comm", f"rec{number}", "opens", 5, marked, "open", f"/scout-agent-absent/{number}", 0, 0, "connect", "tcp", 0, "4", "127.77.77.77", 9)
        agent.fence()
        assert agent.end() == 0, agent.said
        return folder / "a.scout", agent.findings


def replayed(path, rules):
    """Replay; returns the run and its findings."""
    done = scout("replay", path, "--rules", rules, "--output", "json")
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def timeless(findings):
    """Findings as replays and live runs have them in common: all but that they were replayed, in one order."""
    return sorted(({**one, "replayed": None} for one in findings), key=lambda one: one["id"])


def test_a_replay_finds_the_same(recorded, rules):
    """The same findings with the same ids; only that they are replayed differs."""
    path, live = recorded
    done, again = replayed(path, rules)
    assert done.returncode == 0, done.stderr
    assert len(live) > 6
    assert timeless(again) == timeless(live)
    assert all(one["replayed"] for one in again)


def test_the_policy_is_in_the_recording(rules, driver, tmp_path):
    """A replay without a policy of its own reports what the recorded one chose, under its name, and nothing else."""
    policy, marked = tmp_path / "policy.yaml", tmp_path / MARK_NAME
    marked.touch()
    policy.write_text(POLICY.format(rule="TEST-FAILED-OPEN"))
    with Agent(tmp_path / "a.scout", "--rules", rules, "--policy", policy, "--output", "json", command="record") as agent:
        agent.ready()
        driver("comm", "policed", "open", marked, 0, 0, "open", "/scout-agent-absent/policed", 0, 0)
        agent.finding("TEST-FAILED-OPEN")
        assert agent.end() == 0, agent.said
        live = agent.findings
    policy.unlink()
    done, again = replayed(tmp_path / "a.scout", rules)
    assert done.returncode == 0, done.stderr
    assert {(one["rule"]["id"], one["policy"], one["ruleset"]) for one in again if one["rule"]["id"].startswith("TEST-")} >= {
        ("TEST-FAILED-OPEN", "policy", "only-one")
    }
    assert timeless(again) == timeless(live)


def test_two_replays_are_equal_to_the_byte(recorded, rules):
    """Order, times and ids come from the file."""
    path, _ = recorded
    assert scout("replay", path, "--rules", rules, "--output", "json").stdout == scout("replay", path, "--rules", rules, "--output", "json").stdout


CANDIDATES = next(placed for placed in COMMON if placed.field.name == "candidates")


def changed(data: bytes, change) -> bytes:
    """A recording with every frame changed."""
    at, result = layout.OPENING.size, data[: layout.OPENING.size]
    while at < len(data):
        length = layout.BLOCK.unpack_from(data, at)[0]
        payload = data[at + layout.BLOCK.size :][:length]
        block = layout.decode(payload, at)
        result += layout.encode(replace(block, frame=change(block.frame)) if isinstance(block, layout.Frame) else block)
        at += layout.BLOCK.size + length
    return result


@pytest.mark.parametrize("bits", [b"\x00", b"\xff"])
def test_recorded_candidate_bits_are_not_trusted(recorded, rules, tmp_path, bits):
    """A file in which somebody cleared or set them all replays the same."""
    path, live = recorded
    other = tmp_path / "bits.scout"
    other.write_bytes(changed(path.read_bytes(), lambda frame: frame[: CANDIDATES.at] + bits * CANDIDATES.field.size_bytes + frame[CANDIDATES.end :]))
    done, again = replayed(other, rules)
    assert done.returncode == 0, done.stderr
    assert timeless(again) == timeless(live)


def test_a_damaged_file_is_refused_behind_what_is_whole(recorded, rules, tmp_path):
    """Exit code 6 with the place; what stands before the damage has been told."""
    path, _ = recorded
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 0x40
    broken = tmp_path / "broken.scout"
    broken.write_bytes(data)
    done = scout("replay", broken, "--rules", rules, "--output", "json")
    assert done.returncode == 6, done.stderr
    assert "byte" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout


@pytest.mark.parametrize("content", [b"", b"hello\n", None])
def test_what_is_no_recording(rules, tmp_path, content):
    """An empty file, another file, none at all: exit code 6 and its name."""
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    done = scout("replay", path, "--rules", rules)
    assert done.returncode == 6, done.stderr
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_is_not_overwritten(recorded):
    """Exit code 2 before anything is loaded or after; the file is as it was."""
    path, _ = recorded
    before = path.read_bytes()
    done = scout("record", path)
    assert done.returncode == 2, done.stderr
    assert str(path) in done.stderr
    assert path.read_bytes() == before


def test_the_doctor_tells(tmp_path):
    """For people and for machines, with the same verdicts."""
    text, machine = scout("doctor"), scout("doctor", "--json")
    assert (text.returncode, machine.returncode) == (0, 0), text.stdout
    assert json.loads(machine.stdout)
    assert "kernel" in text.stdout.lower()


def test_the_version_tells_build_rules_and_probes():
    """Both forms name them."""
    said = json.loads(scout("version", "--json").stdout)
    text = scout("version").stdout
    assert [value for value in said.values() if isinstance(value, str) and value not in text] == []
    assert len(said) >= 3


def test_the_support_archive_is_made(tmp_path):
    """An archive with what it promises; a name that cannot be written is an error like any other."""
    path = tmp_path / "support.tar.gz"
    done = scout("support", path)
    assert done.returncode == 0, done.stderr
    with tarfile.open(path) as archive:
        assert any(name.endswith("doctor.json") for name in archive.getnames())
    refused = scout("support", tmp_path / "none" / "support.tar.gz")
    assert refused.returncode in (1, 2)
    assert "Traceback" not in refused.stderr


def test_rules_can_be_checked_listed_explained_and_tested():
    """Each action on the managed rules, and on something that is not there."""
    for action in ("check", "list", "test"):
        done = scout("rules", action)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "SC-0001" in scout("rules", "list").stdout
    assert "def " in scout("rules", "explain", "SC-0001").stdout
    assert scout("rules", "explain", "SC-9999").returncode == 2
    assert scout("rules", "status", "--status-port", "1").returncode == 4


def test_a_file_that_is_cut_says_so(recorded, rules, tmp_path):
    """What is there is replayed, and the end says that there was more."""
    path, _ = recorded
    cut = tmp_path / "cut.scout"
    cut.write_bytes(path.read_bytes()[:-40])
    done, findings = replayed(cut, rules)
    assert done.returncode == 0, done.stderr
    assert re.search(r"frames, cut$", done.stderr, re.MULTILINE)
    assert findings
