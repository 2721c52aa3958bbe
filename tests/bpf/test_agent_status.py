# SPDX-License-Identifier: Apache-2.0
"""The status socket of a real sensor, what may stand in its way, and the archive that is made over it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import tarfile
from pathlib import Path

import pytest

from sensor.core.config import SOCKET
from sensor.health.server import MAX_CONNECTIONS
from tests.bpf.agent import ROOT, RULES, Agent, fetch, free_port, scout

RUN_OF_ITS_OWN = ("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount -t tmpfs -o mode=755 scout-test /run && exec "$@"', "sh")
"""A /run that no other sensor of this machine has; ends with the agent."""

READ_ONLY_RUN = (*RUN_OF_ITS_OWN[:6], RUN_OF_ITS_OWN[6].replace("mode=755", "ro"), "sh")
SECRETS = ("tops3cretvalue", "s3cr3tofarule", "tail0fthesecret", "qu0tedvalue")
BROKEN = f"""- rule: broken
  desc: x
  condition: proc.cmdline contains "password={SECRETS[1]},{SECRETS[2]}" and ("token" : "{SECRETS[3]}"
  output: x
  priority: NOTICE
"""


@pytest.fixture
def rules(tmp_path):
    """A file of rules below a folder whose name has a secret in it."""
    path = tmp_path / f"token={SECRETS[0]}" / "own.yaml"
    path.parent.mkdir()
    path.write_text(RULES)
    return path


def members(path):
    """Name → text of an archive's files."""
    with tarfile.open(path) as archive:
        return {name.rpartition("/")[2]: archive.extractfile(name).read().decode() for name in archive.getnames()}


def warnings(agent):
    """What it said of its socket."""
    return [line for line in agent.said.splitlines() if "no status socket" in line]


def test_no_option_is_needed(rules, tmp_path):
    """The usual place, on both sides: the archive has every part and no secret; root alone gets in; nothing stays behind."""
    with Agent("--rules", rules, "--output", "json", "--status-socket", SOCKET, before=RUN_OF_ITS_OWN) as agent:
        agent.ready()
        run = os.open(f"/proc/{agent.pid}/root/run", os.O_RDONLY | os.O_DIRECTORY)
        modes = [stat.S_IMODE(os.stat(path, dir_fd=run).st_mode) for path in ("scout", "scout/scout.sock")]
        assert modes == [0o700, 0o600]
        rules.write_text(BROKEN)
        agent.wait(lambda: b"mistakes" in agent.err, "word of the mistakes")
        assert all(secret in agent.said for secret in SECRETS), "otherwise the test would prove nothing"
        there = ("nsenter", "--target", str(agent.pid), "--mount", f"--wd={ROOT}")
        done = scout("support", tmp_path / "support.tar.gz", before=there)
        assert (done.returncode, "left out" in done.stdout) == (0, False), done.stdout + done.stderr
        assert scout("rules", "status", before=there).stdout.startswith("2 rules")
        assert agent.end() == 0
    left = os.listdir(run)  # noqa: PTH208  # a descriptor, not a path
    assert [name for name in left if not name.startswith("scout-canary")] == []
    os.close(run)
    parts = members(tmp_path / "support.tar.gz")
    assert set(parts) == {"doctor.json", "version.json", "kernel.txt", "counters.txt", "ready.json", "rules.json", "configuration.json", "agent.log"}
    assert [name for name, text in parts.items() if any(secret in text for secret in SECRETS)] == []
    told = json.loads(parts["configuration.json"])
    assert told["told"]["status_socket"] == str(SOCKET)
    assert told["told"]["rules"] == [str(rules.parent.parent / "token=[redacted]")]
    assert (told["rules"]["rules"], told["rules"]["generation"], told["kernel"]["transport"] in {"ring buffer", "perf buffer"}) == (2, 1, True)
    assert len(json.loads(parts["rules.json"])) == 2
    assert json.loads(parts["ready.json"])["ready"]
    assert json.loads(parts["doctor.json"])
    assert "scout_ready 1.0" in parts["counters.txt"]
    log = [json.loads(line) for line in parts["agent.log"].splitlines()]
    assert {"watching", "the new rules have mistakes; the ones before stay in force"} <= {entry["event"] for entry in log}


def test_a_second_sensor_says_so_and_goes_on(rules, tmp_path):
    """One line; the first one's socket stays the first one's, also when the second ends."""
    place = tmp_path / "scout" / "scout.sock"
    with Agent("--rules", rules, "--status-socket", place) as first:
        first.ready()
        with Agent("--rules", rules, "--output", "json", "--status-socket", place) as second:
            second.ready()
            second.fence()
            assert len(warnings(second)) == 1
            assert "listens on" in warnings(second)[0]
            assert second.end() == 0
        assert scout("rules", "status", "--status-socket", place).returncode == 0
        assert (warnings(first), first.end()) == ([], 0)
    assert not place.parent.exists()


def test_what_sigkill_left_is_replaced(rules, tmp_path):
    """Nobody answers there; the next sensor does."""
    place = tmp_path / "scout" / "scout.sock"
    with Agent("--rules", rules, "--status-socket", place) as killed:
        killed.ready().end(signal.SIGKILL)
    assert stat.S_ISSOCK(place.stat().st_mode)
    dead = scout("rules", "status", "--status-socket", place)
    assert (dead.returncode, "no sensor answers" in dead.stderr) == (4, True)
    with Agent("--rules", rules, "--status-socket", place) as agent:
        agent.ready()
        assert scout("rules", "status", "--status-socket", place).returncode == 0
        assert (warnings(agent), agent.end()) == ([], 0)
    assert list(place.parent.iterdir()) == []


def plant(kind, place, tmp_path):
    """Put something in the socket's way."""
    if kind == "link":
        place.parent.mkdir(mode=0o700)
        place.symlink_to(tmp_path / "victim")
    elif kind == "folder link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.parent.symlink_to(tmp_path / "elsewhere")
    elif kind == "another user's folder":
        place.parent.mkdir(mode=0o700)
        os.chown(place.parent, 65534, 65534)


@pytest.mark.parametrize("kind", ["link", "folder link", "another user's folder", "read-only"])
def test_an_unfit_place_costs_a_line(rules, tmp_path, kind):
    """Nothing is followed, removed or made; the sensor watches all the same."""
    place = SOCKET if kind == "read-only" else tmp_path / "scout" / "scout.sock"
    (tmp_path / "victim").write_text("mine")
    plant(kind, place, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with Agent("--rules", rules, "--output", "json", "--status-socket", place, before=READ_ONLY_RUN if kind == "read-only" else ()) as agent:
        agent.ready().fence()
        assert len(warnings(agent)) == 1
        assert sorted(tmp_path.rglob("*")) == before
        assert agent.end() == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "victim").read_text() == "mine"


def test_silent_clients_in_thousands_keep_nobody_out(rules, tmp_path):
    """On the socket and, from anybody, on the port: descriptors stay bounded, and the archive is whole."""
    place, port = tmp_path / "scout" / "scout.sock", free_port()
    with Agent("--rules", rules, "--output", "json", "--status-socket", place, "--status-port", port) as agent:
        agent.ready()
        descriptors = Path(f"/proc/{agent.pid}/fd")
        before, held = len(list(descriptors.iterdir())), []
        for _ in range(1_000):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(place))
            held += [client, socket.create_connection(("127.0.0.1", port))]
        assert len(list(descriptors.iterdir())) <= before + 2 * MAX_CONNECTIONS
        assert fetch(port, "/healthz")[0] == 200
        done = scout("support", tmp_path / "support.tar.gz", "--status-socket", place)
        assert (done.returncode, "left out" in done.stdout) == (0, False), done.stdout + done.stderr
        agent.fence()
        for client in held:
            client.close()
        assert agent.end() == 0
