# SPDX-License-Identifier: Apache-2.0
"""Every managed rule finds its own act, done for real in a container and on the host, and nothing else does."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import pytest

from tests.rules.containers import run_with_pipe
from tests.rules.sensor import MANAGED, container_of, rule_of, shown
from tests.rules.triggers import COULD_NOT, read, target_of

TRIGGERS = [read(path.parent) for path in sorted(MANAGED.glob("*/*/trigger.sh"))]
CASES = [(trigger, where) for trigger in TRIGGERS for where in sorted(trigger.where)]
HARMLESS = {
    "workload_unknown",  # the cgroup was new to the kernel's tables (the finding knows better)
    "peer_unknown",  # no route, so only what was asked is known
    "path_volume_skipped",  # a mounted token
    "exe_detached",  # a program in memory
}
QUIET = (
    ["true"],
    ["ls", "-l", "/", "/etc", "/root"],
    ["cat", "/etc/hostname", "/etc/passwd", "/etc/hosts"],
    ["sleep", "0.01"],
    ["sh", "-c", "true"],
    ["sh", "-c", "for f in /etc/host*; do wc -c $f; done; mkdir -p /tmp/a/b; echo hello > /tmp/a/b/c; grep -r hello /tmp"],
    ["sh", "-c", "echo x > /dev/shm/data; cat /dev/shm/data; rm /dev/shm/data"],
    ["sh", "-c", "httpd -p 127.0.0.1:8080 -h /etc; printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 2 127.0.0.1 8080"],
    ["cat", "/var/run/secrets/kubernetes.io/serviceaccount/..data/../ca.crt", "/root/.ssh/authorized_keys"],
    ["sh", "-c", "echo x >/dev/null; : >/tmp/credentials; cat /tmp/credentials; grep -c root /etc/passwd; find /etc -name passwd"],
    ["sh", "-c", "mkdir /home/u; ls -la /home/u /root; cat /proc/self/status; ps"],
)


TRICKS = {
    "SC-0007 by a relative path": ("SC-0007", "cd /root/.ssh && echo none >id_rsa && cat ./id_rsa"),
    "SC-0012 by points": ("SC-0012", "cd /usr/bin && echo >>../../etc/../etc/ld.so.preload; rm /etc/ld.so.preload"),
    "SC-0018 by a link to the folder": ("SC-0018", "mkdir /etc/sudoers.d && ln -s /etc/sudoers.d /tmp/d && echo >/tmp/d/x"),
    "SC-0024 by a link to the tool": ("SC-0024", "ln -s /usr/bin/nmap /tmp/hello; /tmp/hello ignore"),
    "SC-0024 by another first argument": ("SC-0024", "act exec /usr/bin/nmap hello ignore"),
    "SC-0029 by another name of busybox": ("SC-0029", "busybox nsenter -t 1 -u true; ln -s /bin/nsenter /tmp/x; /tmp/x -t 1 -u true"),
    "SC-0034 by the old name of the folder": ("SC-0034", "ln -s /usr/bin /tmp/b; : >/tmp/b/x"),
    "SC-0043 by a link to the file": ("SC-0043", "mkdir -p /root/.kube && : >/root/.kube/config; ln -s /root/.kube/config /tmp/c; cat /tmp/c"),
    "SC-0046 from its folder": ("SC-0046", "cd /proc/sys/vm && (: >>nr_hugepages)"),
}


@dataclass(frozen=True)
class Run:
    """What one run of a trigger gave."""

    exit_code: int
    output: bytes
    findings: list
    container_id: str
    scratch: str


@pytest.fixture
def pull(request, sensor, containers, tmp_path):
    """Return a function that runs a trigger and returns what came of it."""

    def run(trigger, where, **how):
        network = request.getfixturevalue("metadata_network") if "network" in trigger.needs else ""
        since = sensor.mark()
        if where == "container":
            command = ["sh", "-c", "SCOUT_TRIGGER_DIR=/tmp/scratch exec sh /trigger.sh"] if "scratch" in trigger.needs else ["sh", "/trigger.sh"]
            how = {"network": network, "terminal": "terminal" in trigger.needs, **how}
            programs = {path: request.getfixturevalue("stand_in") for path in trigger.programs}
            done = containers.run(command, files={"/trigger.sh": trigger.path.read_bytes(), **programs}, **how)
            sensor.fence()
            found = [finding for finding in sensor.since(since) if container_of(finding) == done.container_id]
            return Run(done.exit_code, done.output, found, done.container_id, "/tmp/scratch")
        with subprocess.Popen(
            ["sh", str(trigger.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SCOUT_TRIGGER_DIR": str(tmp_path)},
        ) as process:
            output, _ = process.communicate(timeout=60)
        sensor.fence()
        found = [finding for finding in sensor.since(since) if process.pid in family(finding)]
        return Run(process.returncode, output, found, "", str(tmp_path))

    return run


def family(finding):
    """Return the pids of the finding's process and its ancestors."""
    return {finding["process"]["pid"], *(parent["pid"] for parent in finding["parents"])}


def test_there_are_triggers():
    """The folder of managed rules is where this test looks for it."""
    assert TRIGGERS


@pytest.mark.parametrize(("trigger", "where"), CASES, ids=lambda value: getattr(value, "rule", value))
def test_a_trigger_is_found(pull, trigger, where):
    """The act is found by its rule and by no other, with the whole story: where, who, by whom, what, which technique."""
    run = pull(trigger, where)
    assert run.exit_code != COULD_NOT, f"the act could not be performed: {run.output!r}"
    told = "\n".join(map(shown, run.findings))
    assert {rule_of(finding) for finding in run.findings} == {trigger.rule}, told
    mistakes = [trigger.mistakes(finding, run.scratch) for finding in run.findings]
    assert [] in mistakes, f"{min(mistakes, key=len)}\n{told}"
    finding = run.findings[mistakes.index([])]
    assert finding["scope"] == where
    assert container_of(finding) == run.container_id
    process, parents = finding["process"], finding["parents"]
    assert parents[0]["pid"] == process["parent_pid"]
    assert "sh" in {process["name"], parents[0]["name"]}
    unreachable = finding["act"].get("peer") and "network" not in trigger.needs
    assert finding["act"]["result"] == ("failed" if unreachable else "succeeded")
    assert finding["mitigation"]["asked"] == finding["mitigation"]["done"] == "log"
    assert finding["output"]
    assert set(finding["flags"]) <= HARMLESS
    assert (process["tty"] is not None) == ("terminal" in trigger.needs) or where == "host"


@pytest.mark.parametrize(("rule", "command"), TRICKS.values(), ids=TRICKS.keys())
def test_a_trick_hides_nothing(performed, stand_in, rule, command):
    """Links, relative paths, points and other names lead to the file and the program that the kernel knows, and its rule tells of them."""
    _, found = performed(["sh", "-c", command], files={"/usr/bin/nmap": stand_in, "/usr/bin/act": stand_in})
    assert {rule_of(finding) for finding in found} == {rule}


def test_the_metadata_service_is_seen_where_it_answers(pull, metadata_network):
    """With a service behind the address the connection is the peer's own: the act succeeded, and the trigger's request was answered."""
    trigger = next(trigger for trigger in TRIGGERS if trigger.target.startswith("169.254.169.254"))
    run = pull(trigger, "container", network=metadata_network)
    assert run.exit_code == 0
    assert [(rule_of(finding), target_of(finding), finding["act"]["result"]) for finding in run.findings] == [(trigger.rule, trigger.target, "succeeded")]
    assert "peer_unknown" not in run.findings[0]["flags"]


@pytest.mark.parametrize("command", QUIET, ids=lambda command: " ".join(command)[:40])
def test_ordinary_life_is_quiet(performed, command):
    """What containers do all day is no finding."""
    _, found = performed(command)
    assert [shown(finding) for finding in found] == []


def test_a_host_s_shell_on_a_terminal_is_quiet(sensor):
    """The act of a rule about containers, on the host, is no finding."""
    since = sensor.mark()
    code, _ = run_with_pipe(["sh", "-c", "sh -c 'echo $PPID; :'"])
    sensor.fence()
    assert code == 0
    assert [shown(finding) for finding in sensor.since(since) if os.getpid() in family(finding)] == []
