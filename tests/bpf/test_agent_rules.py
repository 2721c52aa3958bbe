# SPDX-License-Identifier: Apache-2.0
"""Rules and policies that change while the agent runs."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.bpf.agent import MARK_NAME, RULES, Agent, fetch, free_port
from tests.bpf.live import fewer

MORE = f"""
- rule: Marked file opened, too
  id: TEST-MORE
  desc: As TEST-OPEN.
  condition: evt.type in (open, openat, openat2) and fd.num >= 0 and fd.filename = {MARK_NAME}
  output: "opened %fd.name, too"
  priority: NOTICE
"""
POLICY = """apiVersion: scout.dev/v1alpha1
kind: RuntimeRuleset
metadata:
  name: only-one
spec:
  rules:
    - id: {rule}
      mitigation: log
"""


@pytest.fixture
def rules(tmp_path):
    """A folder of rules."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.yaml").write_text(RULES)
    return folder


@pytest.fixture
def marked(tmp_path):
    """A file that TEST-OPEN watches."""
    path = tmp_path / MARK_NAME
    path.touch()
    return path


def loaded(agent, times: int) -> None:
    """Wait until rules were loaded anew that often."""
    agent.wait(lambda: agent.said.count("rules loaded anew") >= times, f"load {times}")


def opens(agent, rule: str, name: str) -> int:
    """How many opens of the driver the findings of *rule* stand for."""
    return sum(one["aggregated"] for one in agent.of(rule) if one["process"]["name"] == name)


@pytest.mark.parametrize("is_watched", [True, False])
def test_new_rules_take_effect_without_a_gap(rules, marked, driver, name, is_watched):
    """A process opens a file all the while; the rule that was there before and after sees every open, and the new one the later ones."""
    words = () if is_watched else ("--no-watch",)
    rounds = 5
    with Agent("--rules", rules, "--output", "json", *words) as agent:
        agent.ready()
        with driver.waiting("comm", name, "wait", "opens-until", marked, 2000) as process:
            process.go()
            for number in range(1, rounds + 1):
                (rules / "more.yaml").write_text(MORE.replace("too", f"too, {number} times"))
                if not is_watched:
                    agent.process.send_signal(signal.SIGHUP)
                loaded(agent, number)
            agent.finding("TEST-MORE", name=name)
            process.go()
            process.read()
            count = int(process.words["opens"])
        agent.fence()
        assert agent.end() == 0
    assert re.search(r"^lost\s+0$", agent.said, re.MULTILINE)
    assert count >= fewer(100)
    assert opens(agent, "TEST-OPEN", name) == count
    assert 0 < opens(agent, "TEST-MORE", name) <= count


def test_frames_are_handled_while_a_large_set_is_read(rules, marked, driver, name):
    """Thousands of alternatives take a while to compile; what happens meanwhile is reported meanwhile, and the new rules come into force all the same."""
    alternatives = " or ".join(f"(proc.name = n{at} and fd.name startswith /scout-{at}/ and not proc.pname = p{at})" for at in range(6000))
    large = MORE.replace("condition: ", f"condition: evt.type in (open, openat, openat2) and ({alternatives}) or ")
    with Agent("--rules", rules, "--output", "json", "--no-watch") as agent:
        agent.ready()
        (rules / "large.yaml").write_text(large)
        agent.process.send_signal(signal.SIGHUP)
        driver("comm", name, "open", marked, 0, 0)
        agent.finding("TEST-OPEN", name=name)
        assert "rules loaded anew" not in agent.said
        loaded(agent, 1)
        driver("comm", name[::-1], "open", marked, 0, 0)
        agent.finding("TEST-MORE", name=name[::-1])
        assert agent.end() == 0
    assert re.search(r"^lost\s+0$", agent.said, re.MULTILINE)


def test_bad_rules_keep_the_last_good_in_force(rules, marked, driver, name):
    """Every mistake is told with its place, /readyz says degraded, the old rules go on, and the cure is noticed."""
    port = free_port()
    with Agent("--rules", rules, "--output", "json", "--status-port", port) as agent:
        agent.ready()
        (rules / "zz.yaml").write_text(MORE.replace("NOTICE", "FOO").replace("fd.filename", "fd.nonesuch"))
        agent.wait(lambda: "have mistakes" in agent.said, "the refusal")
        assert "zz.yaml:5:" in agent.said
        assert "fd.nonesuch" in agent.said
        assert "FOO" in agent.said
        ready = json.loads(fetch(port, "/readyz")[1])
        assert "rules" in ready["degraded"]
        assert ready["ready"] is True
        driver("comm", name, "open", marked, 0, 0)
        agent.finding("TEST-OPEN", name=name)
        (rules / "zz.yaml").write_text(MORE)
        loaded(agent, 1)
        assert json.loads(fetch(port, "/readyz")[1])["degraded"] == {}
        assert "TEST-MORE" in json.loads(fetch(port, "/rules")[1])
        (rules / "zz.yaml").unlink()
        loaded(agent, 2)
        assert "TEST-MORE" not in json.loads(fetch(port, "/rules")[1])
        assert agent.end() == 0


def test_a_policy_of_one_rule_silences_the_others(rules, marked, driver, name, tmp_path):
    """Only what a ruleset chose reports; a changed policy is loaded like rules."""
    (rules / "more.yaml").write_text(MORE)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(rule="TEST-MORE"))
    with Agent("--rules", rules, "--policy", policy, "--output", "json") as agent:
        agent.ready()
        driver("comm", name, "open", marked, 0, 0)
        found = agent.finding("TEST-MORE", name=name)
        assert (found["ruleset"], found["policy"]) == ("only-one", "policy")
        assert opens(agent, "TEST-OPEN", name) == 0
        policy.write_text(POLICY.format(rule="TEST-OPEN"))
        loaded(agent, 1)
        driver("comm", name[::-1], "open", marked, 0, 0)
        agent.finding("TEST-OPEN", name=name[::-1])
        assert opens(agent, "TEST-MORE", name[::-1]) == 0
        assert agent.end() == 0
