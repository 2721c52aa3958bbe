# SPDX-License-Identifier: Apache-2.0
"""Readers that go away or stand still, floods, and memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from sensor.workloads import cgroups
from tests.bpf.agent import MARK_NAME, RULES, Agent
from tests.bpf.live import fewer


@pytest.fixture
def rules(tmp_path):
    """The tests' own rules."""
    path = tmp_path / "own.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def marked(tmp_path):
    """A file that TEST-OPEN watches."""
    path = tmp_path / MARK_NAME
    path.touch()
    return path


def lost(agent) -> dict[str, int]:
    """What the last table of counters says was lost, by reason."""
    table = agent.said[agent.said.rindex("\nlost ") :]
    return {name: int(count.replace(",", "")) for name, count in re.findall(r"^  (\w+: [a-z ]+?) +([\d,]+)", table, re.MULTILINE)}


def counted(agent, times: int = 1) -> None:
    """Ask for the counters and wait for the table."""
    before = agent.said.count("\nlost ")
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait(lambda: agent.said.count("\nlost ") >= before + times, "the counters")


def test_a_closed_standard_output_ends_nothing(rules, marked, driver):
    """Whoever read is gone: findings are counted as lost, without a traceback, and it ends well when asked."""
    reader, writer = os.pipe()
    with Agent("--rules", rules, "--output", "json", stdout=writer) as agent:
        os.close(writer)
        agent.ready()
        os.close(reader)
        for number in range(3):
            driver("comm", f"closed{number}", "open", marked, 0, 0)
        assert agent.end() == 0
    assert "Traceback" not in agent.said
    assert lost(agent)["sink: failed"] >= 3


@pytest.mark.parametrize("output", ["json", "text"])
def test_a_reader_that_stands_still_stops_nothing(rules, marked, driver, output):
    """A full pipe costs findings, counted; the agent goes on, answers, and ends when asked."""
    reader, writer = os.pipe()
    with Agent("--rules", rules, "--output", output, stdout=writer) as agent:
        os.close(writer)
        agent.ready()
        for number in range(fewer(300)):
            driver("comm", f"still{number}", "open", marked, 0, 0)
        counted(agent)
        assert lost(agent)["sink: failed"] > 0
        assert agent.end() == 0
        os.set_blocking(reader, False)
        seen = b""
        while data := os.read(reader, 1 << 20):
            seen += data
        os.close(reader)
    assert seen.count(b"TEST-OPEN") > 5


def test_standard_error_that_nobody_reads_ends_nothing(rules, marked, driver, name):
    """The log's reader is gone; findings go on."""
    reader, writer = os.pipe()
    with Agent("--rules", rules, "--output", "json", stderr=writer) as agent:
        os.close(writer)
        agent.wait(lambda: b"watching" in os.read(reader, 1 << 16), "the start", timeout_s=60)
        os.close(reader)
        agent.process.send_signal(signal.SIGUSR1)
        agent.process.send_signal(signal.SIGHUP)
        driver("comm", name, "open", marked, 0, 0)
        agent.finding("TEST-OPEN", name=name)
        assert agent.end() == 0


def test_a_signal_is_heard_under_a_flood(rules, marked, driver):
    """Several processes open a watched file as fast as they can: SIGUSR1 is answered meanwhile, SIGTERM ends it, and the flood is a finding."""
    with Agent("--rules", rules, "--output", "json") as agent:
        agent.ready()
        flood = [subprocess.Popen([driver.path, "comm", "flood", "opens", "100000000", marked], stdout=subprocess.DEVNULL) for _ in range(3)]
        try:
            agent.finding("SC-0000")
            counted(agent)
            assert agent.end() == 0
        finally:
            for process in flood:
                process.kill()
                process.wait()
    assert sum(lost(agent).values()) > 0


@pytest.fixture
def make_cgroup(name):
    """Make cgroups, each with token buckets of its own."""
    hierarchy, made = cgroups.detect(), []

    def make():
        path = hierarchy.mount_point / f"{name}-{len(made)}"
        path.mkdir()
        made.append(path)
        return path / "cgroup.procs"

    yield make
    for path in made:
        path.rmdir()


def test_memory_does_not_grow_with_findings(rules, marked, driver, make_cgroup):
    """Twenty thousand different findings later it is as large as after the first thousands, but for a few MiB."""
    rounds, acts = max(4, fewer(170)), 120
    with Agent("--rules", rules, "--output", "json", stdout=subprocess.DEVNULL) as agent:
        agent.ready()
        procs = [make_cgroup() for _ in range(10)]
        before_kib = 0
        for number in range(rounds):
            words = [word for act in range(acts) for word in ("open", str(marked), "0", str(act))]
            subprocess.run([driver.path, "put", procs[number % 10], "0", *words], stdout=subprocess.DEVNULL, check=True)
            counted(agent)
            if number == rounds // 4:
                before_kib = agent.rss_kib()
        after_kib = agent.rss_kib()
        assert agent.end() == 0
    findings = int(re.search(r"^  TEST-OPEN +([\d,]+)", agent.said[agent.said.rindex("\nfindings") :], re.MULTILINE)[1].replace(",", ""))
    assert findings + sum(lost(agent).values()) >= rounds * acts
    assert findings > rounds * acts * 0.9
    assert after_kib - before_kib < 6 * 1024
    assert after_kib < 60 * 1024
