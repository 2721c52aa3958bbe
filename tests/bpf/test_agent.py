# SPDX-License-Identifier: Apache-2.0
"""The agent as a whole, from an act to what people read. The agent of most tests is one, with the tests' own rules beside the managed ones."""

from __future__ import annotations

import errno
import json
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.bpf.agent import FAILURES, FENCE_RULE, MARK_NAME, ROOT, RULES, Agent, attached_by, canary_folders, fetch, free_port, scout, wait_detached
from tests.bpf.live import DEADLINE_S
from tests.unit.contract.schema_check import check


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The tests' own rules, in a file."""
    path = tmp_path_factory.mktemp("rules") / "own.yaml"
    path.write_text(RULES + FAILURES)
    return path


@pytest.fixture(scope="module")
def port():
    """The agent's status port."""
    return free_port()


@pytest.fixture(scope="module")
def agent(rules, port):
    """A running agent with the managed rules and the tests' own."""
    with Agent("--rules", ROOT / "rules", "--rules", rules, "--output", "json", "--status-port", port) as agent:
        yield agent.ready()


@pytest.fixture
def program(tmp_path, name):
    """A copy of cat with a name that no other process has."""
    return shutil.copy(shutil.which("cat"), tmp_path / name)


def run(*words, **options):
    """Run a program to its end, whatever that is."""
    return subprocess.run([str(word) for word in words], capture_output=True, check=False, **options)


def test_an_act_is_one_finding(agent, program, name):
    """Reading the shadow file once is one finding with rule, process and path, and every line of the output is the documented schema."""
    run(program, "/etc/shadow")
    found = agent.finding("SC-0001", name=name)
    agent.fence()
    assert [one["process"]["name"] for one in agent.of("SC-0001")].count(name) == 1
    assert (found["act"]["path"], found["act"]["result"], found["process"]["exe"]) == ("/etc/shadow", "succeeded", str(program))
    assert found["process"]["cmdline"] == f"{program} /etc/shadow"
    assert (found["attack"], found["mitigation"]["done"], found["replayed"], found["aggregated"]) == (["T1003.008"], "log", False, 1)
    for finding in agent.findings:
        check(finding)


def test_a_program_in_shared_memory_is_found(agent, name):
    """SC-0004 on the host: a copied program is started in /dev/shm."""
    folder = Path("/dev/shm", name)
    folder.mkdir()
    try:
        shutil.copy(shutil.which("true"), folder / name)
        run(folder / name)
    finally:
        shutil.rmtree(folder)
    assert agent.finding("SC-0004", name=name)["process"]["exe"] == f"/dev/shm/{name}/{name}"


def test_a_start_up_file_is_found(agent, tmp_path):
    """SC-0005 on the host: a shell's start-up file is opened for writing."""
    (tmp_path / ".bashrc").touch()
    run("sh", "-c", f"echo >> {tmp_path}/.bashrc")
    assert "O_APPEND" in agent.finding("SC-0005", path=f"{tmp_path}/.bashrc", name="sh")["act"]["flags"]


def test_rules_about_containers_are_silent_on_the_host(agent, name):
    """SC-0002 and SC-0003 ask for a container: a terminal shell and a metadata request on the host are not findings."""
    shell = shutil.which("script")
    if shell:
        run(shell, "-q", "-c", "sh -c :", "/dev/null")
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.connect_ex(("169.254.169.254", 80))
    agent.fence()
    host = [one for one in agent.findings if one["scope"] == "host"]
    assert not {one["rule"]["id"] for one in host} & {"SC-0002", "SC-0003"}


def test_a_failed_open_is_found_by_a_rule_for_failures(agent, program, name):
    """What was asked for is all there is, with its errno."""
    run(program, f"/scout-agent-absent/{name}")
    found = agent.finding("TEST-FAILED-OPEN", name=name)
    assert (found["act"]["asked"], found["act"]["result"], found["act"]["errno"]) == (f"/scout-agent-absent/{name}", "failed", "ENOENT")


def test_a_failed_connect_is_found_by_a_rule_for_failures(agent):
    """A refused peer, with its address and errno."""
    with socket.socket() as sock:
        assert sock.connect_ex(("127.77.77.77", 9)) == errno.ECONNREFUSED
    found = agent.finding("TEST-FAILED-CONNECT")
    assert (found["act"]["peer"]["address"], found["act"]["errno"]) == ("127.77.77.77", "ECONNREFUSED")


def test_the_metrics_are_prometheus_text(agent, port):
    """Every line is a comment or a sample; events, losses and rules are there."""
    status, body = fetch(port, "/metrics")
    sample = re.compile(r'[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})? (NaN|[+-]?(Inf|\d[\d.]*(e[+-]?\d+)?))$')
    assert status == 200
    assert [line for line in body.splitlines() if not line.startswith("#") and not sample.match(line)] == []
    assert re.search(r'scout_events_total\{.*kind="open"', body)
    assert "# TYPE scout_losses_total counter" in body
    assert 'scout_rule_status{rule="SC-0001",status="active"} 1.0' in body


def test_ready_says_what_is_attached(agent, port):
    """The start is over: every canary came back, every probe is attached, and nothing is degraded."""
    status, body = fetch(port, "/readyz")
    said = json.loads(body)
    assert (status, said["ready"], said["waiting_for"], said["degraded"]) == (200, True, [], {})
    assert said["probes"] == dict.fromkeys(("connect", "exec", "exit", "open"), "attached")
    assert fetch(port, "/healthz")[0] == 200


def test_rules_status_asks_the_running_sensor(agent, port):
    """`scout rules status` prints each rule with its status."""
    done = scout("rules", "status", "--status-port", port)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^SC-0001\s+active$", done.stdout, re.MULTILINE)
    assert FENCE_RULE in done.stdout


def test_usr1_prints_the_counters_and_goes_on(agent, program, name):
    """The table of counters on standard error, and the next act is found."""
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait(lambda: re.search(r"^lost\s+\d+", agent.said, re.MULTILINE), "the counters")
    run(program, "/etc/shadow")
    agent.finding("SC-0001", name=name)


def test_it_is_small(agent):
    """The loader is gone and took the compiler along: 60 MiB are the most that may be resident."""
    agent.fence()
    assert agent.rss_kib() <= 60 * 1024
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text()
    assert children == ""


def test_the_agents_own_acts_are_no_findings(agent):
    """Nothing of the agent's own process, nor of its canaries, is ever reported."""
    agent.fence()
    assert [one for one in agent.findings if one["process"]["pid"] == agent.pid or "canary" in one["process"]["name"]] == []


def test_text_says_it_in_words(rules, program, name):
    """`--output text`: rule, path and process, for people; at SIGINT it ends as at SIGTERM."""
    with Agent("--rules", rules, "--rules", ROOT / "rules", "--output", "text") as agent:
        agent.ready()
        run(program, "/etc/shadow")
        agent.wait(lambda: name.encode() in agent.out, "the finding")
        agent.fence()
        assert agent.end(signal.SIGINT) == 0
        text = agent.out.decode()
    (at,) = (at for at, line in enumerate(text.splitlines()) if f"{name}[" in line)
    about = "\n".join(text.splitlines()[at - 2 : at + 1])
    assert "SC-0001 Account secrets read" in about
    assert "/etc/shadow" in about
    assert "\x1b" not in text


def test_term_drains_and_leaves_nothing(rules, program, name):
    """What happened before SIGTERM is reported, the counters are printed, and no program, map or folder is left."""
    with Agent("--rules", rules, "--output", "json") as agent:
        agent.ready()
        maps = agent.maps()
        assert attached_by(maps)
        assert len(canary_folders(agent.pid)) == 1
        target = Path(program).with_name(MARK_NAME)
        target.touch()
        run(program, target)
        assert agent.end() == 0
        assert [one["process"]["name"] for one in agent.of("TEST-OPEN")].count(name) == 1
    assert re.search(r"^findings\s+\d+", agent.said, re.MULTILINE)
    assert re.search(r"^lost\s+0$", agent.said, re.MULTILINE)
    assert wait_detached(maps) == []
    assert canary_folders(agent.pid) == []


def test_kill_leaves_nothing_attached(rules):
    """Descriptors close with the process; the canaries' folder goes with the next start of any sensor here."""
    with Agent("--rules", rules) as agent:
        agent.ready()
        maps = agent.maps()
        assert len(canary_folders(agent.pid)) == 1
        agent.end(signal.SIGKILL)
    assert wait_detached(maps) == []
    with Agent("--rules", rules) as following:
        following.ready()
        assert canary_folders(agent.pid) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_during_the_start(rules, number):
    """SIGTERM and SIGINT end it well at any time; SIGHUP and SIGUSR1 do not end it."""
    with Agent("--rules", rules, "--no-cache") as agent:
        wait_for_loader(agent.pid)
        agent.process.send_signal(number)
        if number in (signal.SIGTERM, signal.SIGINT):
            assert agent.finish() == 0, agent.said
            assert "Traceback" not in agent.said
        else:
            agent.ready()
    assert canary_folders(agent.pid) == [] or number in (signal.SIGHUP, signal.SIGUSR1)


def wait_for_loader(pid: int) -> None:
    """Return when the agent has its child at work."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    ends = time.monotonic() + DEADLINE_S
    while not children.read_text():
        assert time.monotonic() < ends
        select.select([], [], [], 0.005)
