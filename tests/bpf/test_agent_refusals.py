# SPDX-License-Identifier: Apache-2.0
"""What the agent says when it cannot run: one clear message, the documented exit code, never a traceback, nothing half attached."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bpf.agent import FAILURES, ROOT, RULES, Agent, fetch, free_port, scout

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_BPF = ("setpriv", "--bounding-set=-bpf,-sys_admin,-perfmon", "--inh-caps=-bpf,-sys_admin,-perfmon")


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert that a command ended with *code* and said *words*, and nothing to be ashamed of."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("scout: ")
    assert done.stderr.count("scout: ") == 1
    assert [word for word in words if word not in done.stderr] == []


@pytest.fixture
def data(tmp_path):
    """A data root of our own, whose probes may be broken; they differ from all others, so that nothing kept from an earlier start stands for them."""
    for folder in ("bpf", "rules"):
        shutil.copytree(ROOT / folder, tmp_path / "data" / folder)
    with (tmp_path / "data" / "bpf" / "probes" / "exit.c").open("a") as file:
        file.write(f"/* {tmp_path} */\n")
    return tmp_path / "data"


def break_probe(data: Path, name: str) -> int:
    """Put a mistake into a probe; returns its line."""
    path = data / "bpf" / "probes" / f"{name}.c"
    text = path.read_text()
    path.write_text(text + "int broken(void) { return no_such_thing; }\n")
    return text.count("\n") + 1


def test_not_root():
    """One message that says who may, and the command to use."""
    refused(scout("run", before=NOBODY), 4, "needs root", "sudo scout run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--no-such-flag"], "--no-such-flag"),
        (["run", "--output", "xml"], "xml"),
        (["run", "--status-port", "70000"], "70000"),
        (["frobnicate"], "frobnicate"),
        ([], "COMMAND"),
        (["rules"], "ACTION"),
        (["replay"], "file"),
    ],
)
def test_a_command_line_with_a_mistake(words, said):
    """Exit code 2, what is wrong, and where to read on."""
    done = scout(*words)
    refused(done, 2, said, "hint:")
    assert len(done.stderr.splitlines()) <= 2


def test_rules_that_are_not_there():
    """Exit code 3 and the path, once."""
    done = scout("run", "--rules", "/scout-agent-absent/rules.yaml")
    refused(done, 3, "/scout-agent-absent/rules.yaml")
    assert done.stderr.count("/scout-agent-absent/rules.yaml") == 1


def test_every_mistake_of_a_rule_file_is_told_escaped(tmp_path):
    """All at once, each with its place, and what a hostile file says cannot reach the terminal as it is."""
    path = tmp_path / "bad.yaml"
    path.write_text(
        '- rule: "a\\e[31mb"\n  condition: evt.type = open and\n  desc: d\n  output: o\n  priority: FOO\n- rule: b\n'
        "  desc: d\n  condition: no.such = 1\n  output: o\n  priority: INFO\n"
    )
    done = scout("run", "--rules", path)
    refused(done, 3, f"{path}:2:", f"{path}:5:", f"{path}:8:", "no.such", "FOO")
    assert "\x1b" not in done.stderr


def test_a_policy_with_a_mistake(tmp_path):
    """Exit code 3 with file, line and what is known."""
    path = tmp_path / "policy.yaml"
    path.write_text("apiVersion: scout.dev/v1\nkind: Ruleset\nmetadata:\n  name: x\nspec:\n  rules:\n    - id: SC-9999\n      mitigation: explode\n")
    refused(scout("run", "--policy", path), 3, f"{path}:")


def test_the_index_s_bcc_in_the_way(data, tmp_path):
    """Another package of the same name is named with its place and how to be rid of it."""
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "__init__.py").write_text("VERSION = '1'\n")
    environment = {"PYTHONPATH": str(tmp_path), "SCOUT_DATA": str(data)}
    refused(scout("run", environment=environment), 4, str(tmp_path / "bcc"), "pip uninstall bcc", "python3-bpfcc")


def test_a_hostile_working_directory_is_not_looked_at(data, tmp_path):
    """Modules that lie where root happens to stand are nobody's business: neither the agent nor its loader runs them."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for module in ("bcc", "ctypes", "json", "sensor"):
        (hostile / f"{module}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    starter = "import sys; sys.path.append(sys.argv.pop(1)); from sensor.cli import main; sys.exit(main())"
    line = [sys.executable, "-P", "-c", starter, ROOT, "run", "--strict"]
    environment = {**os.environ, "SCOUT_DATA": str(data)}
    with subprocess.Popen(line, cwd=hostile, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        said = next((line for line in process.stderr if "watching" in line or "scout:" in line), "")
        process.terminate()
    assert "watching" in said
    assert not (tmp_path / "ran").exists()


def test_no_tracefs():
    """What is missing, and the command that mounts it."""
    hide = '(umount -l /sys/kernel/debug/tracing; umount -l /sys/kernel/debug; umount -l /sys/kernel/tracing) 2>/dev/null; exec "$@"'
    refused(scout("run", before=["unshare", "--mount", "sh", "-c", hide, "sh"]), 4, "tracefs", "mount -t tracefs")


def test_no_right_to_load_programs():
    """Root without the capabilities is told which."""
    refused(scout("run", before=NO_BPF), 4, "eBPF", "CAP_BPF")


def test_a_port_that_is_taken():
    """Nothing stays attached when the last step of the start fails."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused(scout("run", "--status-port", port), 2, str(port))


# ---- a probe that cannot be loaded


@pytest.mark.parametrize("broken", ["connect", "open"])
def test_a_probe_that_cannot_load_leaves_the_others_at_work(data, tmp_path, broken, name):
    """The rest runs and proves the offsets with what there is; the rules of that kind are blind, with the reason, everywhere somebody looks."""
    line = break_probe(data, broken)
    rules, port = tmp_path / "own.yaml", free_port()
    rules.write_text(RULES + FAILURES)
    with Agent("--rules", ROOT / "rules", "--rules", rules, "--output", "json", "--status-port", port, environment={"SCOUT_DATA": str(data)}) as agent:
        agent.ready()
        assert f"bpf/probes/{broken}.c:{line}" in agent.said
        status, body = fetch(port, "/readyz")
        ready = json.loads(body)
        assert (status, ready["ready"]) == (200, True), body
        assert f"probe {broken}" in ready["degraded"]
        assert "no_such_thing" in ready["probes"][broken]
        said = json.loads(fetch(port, "/rules")[1])
        blind = {"connect": ["SC-0003", "TEST-FAILED-CONNECT"], "open": ["SC-0001", "SC-0005", "TEST-OPEN"]}[broken]
        assert {said[rule]["status"] for rule in blind} == {"blind"}
        assert all(broken in said[rule]["reason"] for rule in blind)
        assert said["SC-0004"]["status"] == "active"
        folder = Path("/dev/shm", name)
        folder.mkdir()
        try:
            shutil.copy(shutil.which("true"), folder / name)
            subprocess.run([folder / name], check=True)
            agent.finding("SC-0004", name=name)
        finally:
            shutil.rmtree(folder)
        assert agent.end() == 0


def test_strict_refuses_in_the_compilers_words(data):
    """Exit code 5: clang's message with the probe's own file and line."""
    line = break_probe(data, "connect")
    done = scout("run", "--strict", environment={"SCOUT_DATA": str(data)})
    refused(done, 5, f"bpf/probes/connect.c:{line}:", "no_such_thing", "error:")


def test_no_probe_at_all(data):
    """When nothing can be loaded there is nothing to run."""
    (data / "bpf" / "prelude" / "maps.c").write_text("#error nothing works\n")
    refused(scout("run", environment={"SCOUT_DATA": str(data)}), 5, "nothing works")


# ---- offsets


@pytest.fixture(scope="module")
def table():
    """This kernel's offset table, as `scout offsets` writes it."""
    done = scout("offsets", environment={"SCOUT_OFFSETS": os.environ.get("SCOUT_OFFSETS", "")})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def written(tmp_path: Path, document: dict) -> dict[str, str]:
    """The environment with *document* as offset table."""
    path = tmp_path / "offsets.json"
    path.write_text(json.dumps(document))
    return {"SCOUT_OFFSETS": str(path)}


def test_a_table_of_the_running_kernel_works(table, tmp_path):
    """What `scout offsets` writes is proven like BTF."""
    with Agent(environment=written(tmp_path, table)) as agent:
        agent.ready()
        assert agent.end() == 0


@pytest.mark.parametrize(
    ("member", "by"),
    [
        ("task_struct.comm", 8),
        ("task_struct.files", 8),
        ("task_struct.stack", 8),
        ("dentry.d_parent", 8),
        ("kernfs_node.name", 8),
        ("fs_struct.pwd.dentry", -8),
        ("cred.uid", -8),
        ("cred.uid", 8),
        ("cred.gid", 8),
        ("cred.euid", -8),
        ("cred.cap_effective", 8),
        ("mm_struct.arg_start", 16),
        ("signal_struct.tty", 8),
        ("file.f_flags", 8),
        ("vfsmount.mnt_root", 8),
        ("socket.sk", 8),
        ("sock.__sk_common.skc_daddr", 8),
    ],
)
def test_a_wrong_offset_is_refused_by_name(table, tmp_path, member, by):
    """The agent reads garbage about itself, also where root has the same number twice, and refuses with the member rather than go on."""
    if member not in table["members"]:
        pytest.skip(f"this kernel's table has no {member}")
    members = {**table["members"], member: table["members"][member] + by}
    refused(scout("run", environment=written(tmp_path, {**table, "members": members})), 4, member.removesuffix(".dentry"), "offsets.json")


def test_a_missing_offset_is_refused_by_name(table, tmp_path):
    """A table without a member that is needed."""
    members = {name: value for name, value in table["members"].items() if name != "task_struct.real_parent"}
    refused(scout("run", environment=written(tmp_path, {**table, "members": members})), 4, "task_struct.real_parent")


def test_another_kernels_table_given_by_hand_is_proven(table, tmp_path):
    """A table is taken at its word when somebody names it, and held against the truth: everything behind the credentials moved by a word."""
    members = {
        name: value + 8 if name.startswith("task_struct.") and value >= table["members"]["task_struct.cred"] else value
        for name, value in table["members"].items()
    }
    other = {**table, "kernel": {"release": "4.4.0", "build": "#1", "machine": "x86_64"}, "members": members}
    done = scout("run", environment=written(tmp_path, other))
    assert done.returncode in (4, 5), done.stderr
    assert "Traceback" not in done.stderr
