# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import http.server
import json
import sys
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor import commands
from sensor.core.errors import EnvironmentRefusal, OffsetsUnknown, UsageError
from sensor.workloads.containers import identify
from sensor.workloads.listing import listing
from tests.unit.pods_factory import cgroup_path, make_pod, uid_of


@pytest.fixture
def served():
    """A status port that answers as told: path → (status, body)."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1], answers
        server.shutdown()
        thread.join()


def test_status_shows_the_worst_first(served, capsys):
    """Each rule with its state and reason, as the running sensor says."""
    port, answers = served
    answers["/rules"] = (200, json.dumps({"R-1": {"status": "active", "reason": ""}, "R-2": {"status": "blind", "reason": "no probe\x1b"}}).encode())
    assert commands.rules_status(SimpleNamespace(status_port=port, status_socket=None)) == 0
    out = capsys.readouterr().out
    assert out.index("R-2") < out.index("R-1")
    assert "no probe\\x1b" in out


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"R": 1}', b'{"R": {"status": "odd", "reason": ""}}', b"null", b"\xff"])
def test_something_else_on_the_port_is_told_as_such(served, body):
    """Whatever answers there, it is one message."""
    port, answers = served
    answers["/rules"] = (200, body)
    with pytest.raises(EnvironmentRefusal, match="not this sensor"):
        commands.rules_status(SimpleNamespace(status_port=port, status_socket=None))


def test_nobody_on_the_port_is_told_as_such():
    """With how to start it."""
    with pytest.raises(EnvironmentRefusal, match="no sensor answers") as caught:
        commands.rules_status(SimpleNamespace(status_port=1, status_socket=None))
    assert "--status-port" in caught.value.hint


def test_ps_lists_what_the_sensor_knows(monkeypatch, capsys):
    """As a table, or as it came, once or again and again; what does not answer like a sensor is told as such."""
    rows = listing([identify(cgroup_path(1))], [make_pod(2)])
    answers = {"/workloads": json.dumps(rows)}
    monkeypatch.setattr(commands, "at_socket", lambda _path: answers.__getitem__)
    assert commands.ps(Path("s"), as_json=False) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:]] == [["-", uid_of(1), "-"], ["shop", "web-2", "app"]]
    assert commands.ps(Path("s"), as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == rows
    waits = [False, True]
    assert commands.ps(Path("s"), as_json=True, watch=True, wait=lambda _seconds: waits.pop(0)) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [rows, rows], "a line each time"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert commands.ps(Path("s"), as_json=False, watch=True, wait=lambda _seconds: True) == 0
    assert capsys.readouterr().out.startswith("\x1b[H\x1b[2JNAMESPACE")
    for answers["/workloads"] in ("hello", "[1]", "[{}]", "5", "null"):
        with pytest.raises(EnvironmentRefusal, match="not this sensor"):
            commands.ps(Path("s"), as_json=False)


def test_version_tells_both_ways(capsys):
    """Text and JSON have the same values."""
    assert commands.version(as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert commands.version(as_json=False) == 0
    assert said["scout"] in capsys.readouterr().out


def test_offsets_are_written_or_printed(monkeypatch, tmp_path, capsys):
    """A place that cannot be written is an error like any other; what is not known is passed on."""
    monkeypatch.setattr("sensor.probes.offsets.resolve.resolve", SimpleNamespace)
    monkeypatch.setattr("sensor.probes.offsets.tables.dump", lambda *_: "{}\n")
    assert commands.offsets(None) == 0
    assert capsys.readouterr().out == "{}\n"
    assert commands.offsets(tmp_path / "o.json") == 0
    assert (tmp_path / "o.json").read_text() == "{}\n"
    with pytest.raises(UsageError, match="none"):
        commands.offsets(tmp_path / "none" / "o.json")

    def unknown():
        raise OffsetsUnknown("x")

    monkeypatch.setattr("sensor.probes.offsets.resolve.resolve", unknown)
    with pytest.raises(OffsetsUnknown):
        commands.offsets(None)


def test_the_support_archive_leaves_out_what_cannot_be_had(monkeypatch, tmp_path, served, capsys):
    """It is made all the same, and says what is not in it."""
    port, answers = served
    answers["/readyz"] = (503, b'{"ready": false}')
    answers["/metrics"] = (200, b"scout_ready 0\n")
    answers["/rules"] = (200, b"{}")

    def unseen(_places):
        raise EnvironmentRefusal("no /proc here")

    monkeypatch.setattr("sensor.doctor.facts.gather", unseen)
    assert commands.support(SimpleNamespace(file=tmp_path / "s.tar.gz", status_port=port, status_socket=None)) == 0
    out = capsys.readouterr().out
    assert "left out: " in out
    assert "doctor.json" in out
    with tarfile.open(tmp_path / "s.tar.gz") as archive:
        names = {name.rpartition("/")[2] for name in archive.getnames()}
    assert {"ready.json", "counters.txt", "rules.json", "version.json"} <= names
    assert not {"doctor.json", "configuration.json", "agent.log"} & names
    assert "left out: agent.log: a port tells everybody who reaches it, and so not this (leave --status-port out)" in out


def test_without_a_sensor_the_archive_says_what_is_missing(tmp_path, capsys):
    """One line for each part that only a running one has."""
    assert commands.support(SimpleNamespace(file=tmp_path / "s.tar.gz", status_port=0, status_socket=tmp_path / "none")) == 0
    out = capsys.readouterr().out
    assert [line.split(":")[1].strip() for line in out.splitlines()[1:]] == ["counters.txt", "ready.json", "rules.json", "configuration.json", "agent.log"]
    with tarfile.open(tmp_path / "s.tar.gz") as archive:
        missing = archive.extractfile("scout-support/missing.txt").read()
    assert missing.count(b"no sensor answers") == missing.count(b"is scout run running here") == 5
