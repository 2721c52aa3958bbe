# SPDX-License-Identifier: Apache-2.0
"""Ancestors' programs and users' names from the rule to the finding, by the whole agent; and in a replay of the same acts."""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import pytest

from tests.bpf.agent import MARK_NAME, RULES, Agent, scout

AROUND = f"""
- rule: Marked file opened below a shell
  id: TEST-SHELL
  desc: As TEST-OPEN, by what a shell started.
  condition: evt.type in (open, openat, openat2) and fd.num >= 0 and fd.filename = {MARK_NAME} and proc.pexepath = {os.path.realpath("/bin/sh")}
  output: "parent=%proc.pcmdline user=%user.name group=%group.name session=%proc.sname born=%proc.ppid.ts"
  priority: NOTICE
- rule: Marked file opened below something else
  id: TEST-OTHER
  desc: The contrary.
  condition: evt.type in (open, openat, openat2) and fd.num >= 0 and fd.filename = {MARK_NAME} and not proc.pexepath = {os.path.realpath("/bin/sh")}
  output: "opened"
  priority: NOTICE
"""
SCRIPT_NAME = "scout-script"
EXEC = f"""
- rule: Marked script run
  id: TEST-SCRIPT
  desc: A script of a name that only the tests use.
  condition: evt.type = execve and evt.failed = false and proc.name = {SCRIPT_NAME}
  output: "run"
  priority: NOTICE
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The tests' own rules, and those that ask."""
    path = tmp_path_factory.mktemp("rules") / "own.yaml"
    path.write_text(RULES + AROUND + EXEC)
    return path


def of(findings, rule):
    """The findings of a rule."""
    return [one for one in findings if one["rule"]["id"] == rule]


def test_what_is_asked_live_is_unknown_in_a_replay(rules, driver, tmp_path):
    """The parent's arguments without their secret, names, a start; a replay has none of it, fires both rules, and does so again to the byte."""
    marked = tmp_path / MARK_NAME
    marked.touch()
    text = f"{shlex.quote(str(driver.path))} open {shlex.quote(str(marked))} 0 0; echo acted; read line"
    with Agent(tmp_path / "a.scout", "--rules", rules, "--output", "json", command="record") as agent:
        agent.ready()
        with subprocess.Popen(["/bin/sh", "-c", text, "--password=hunter2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
            shell.stdout.readline()
            found = agent.finding("TEST-SHELL")
            shell.stdin.close()
        agent.fence()
        assert agent.end() == 0, agent.said
        live = agent.findings
    assert of(live, "TEST-OTHER") == []
    head, _, tail = found["output"].partition(" user=")
    assert head.startswith("parent=sh -c ")
    assert "hunter2" not in json.dumps(live)
    assert tail.startswith("root group=root session=")
    assert int(tail.rpartition("born=")[2]) > 10**18  # 2001: since 1970, not since boot
    replays = [scout("replay", tmp_path / "a.scout", "--rules", rules, "--output", "json").stdout for _ in range(2)]
    assert replays[0] == replays[1]
    again = [json.loads(line) for line in replays[0].splitlines()]
    assert len(of(again, "TEST-SHELL")) == len(of(again, "TEST-OTHER")) == 1
    assert of(again, "TEST-SHELL")[0]["output"].startswith("parent=<NA> user=<NA> group=<NA> session=")
    assert of(again, "TEST-SHELL")[0]["output"].endswith("born=<NA>")


def test_what_an_exec_told_is_known_ever_after(rules, driver, tmp_path):
    """A parent that a rule saw begin is known when it has ended, and in a replay just so."""
    marked, place = tmp_path / MARK_NAME, tmp_path / SCRIPT_NAME
    marked.touch()
    place.write_text(f"#!/bin/sh\n{shlex.quote(str(driver.path))} open {shlex.quote(str(marked))} 0 0\nexit 0\n")
    place.chmod(0o755)
    with Agent(tmp_path / "a.scout", "--rules", rules, "--output", "json", command="record") as agent:
        agent.ready()
        for _ in range(5):
            subprocess.run([place, "word"], check=True, capture_output=True)
        agent.fence()
        assert agent.end() == 0, agent.said
        live = of(agent.findings, "TEST-SHELL")
    again = scout("replay", tmp_path / "a.scout", "--rules", rules, "--output", "json").stdout
    for found in (live, of(map(json.loads, again.splitlines()), "TEST-SHELL")):
        assert [one["output"].partition(" user=")[0] for one in found] == [f"parent={SCRIPT_NAME} {place} word"] * 5
