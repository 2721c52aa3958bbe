# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor import cli
from sensor.core.config import SOCKET
from sensor.core.errors import DocumentError, EnvironmentRefusal, FrameError, ProbeError, ScoutError, TableError, UsageError

COMMANDS = ("run", "record", "replay", "rules", "doctor", "version", "support", "offsets")


def fails(monkeypatch, error):
    """Make ``scout version`` raise."""

    def command(**_):
        raise error

    monkeypatch.setitem(sys.modules, "sensor.commands", SimpleNamespace(version=command))
    return cli.main(["version"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ScoutError("x"), 1),
        (UsageError("x"), 2),
        (DocumentError("x"), 3),
        (EnvironmentRefusal("x"), 4),
        (ProbeError("x"), 5),
        (TableError("x"), 5),
        (FrameError("x"), 6),
        (OSError(28, "No space left on device", "/var"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_its_documented_exit_code(monkeypatch, capsys, error, code):
    """One line and a number; never a traceback."""
    assert fails(monkeypatch, error) == code
    said = capsys.readouterr().err
    assert said.count("\n") <= 1
    assert "Traceback" not in said


def test_the_exit_codes_are_in_every_help():
    """People find them where they look."""
    for command in COMMANDS:
        done = cli._parser()._subparsers._group_actions[0].choices[command]
        assert "6 a recording is damaged" in done.epilog


def test_an_error_is_told_with_its_hint_escaped(monkeypatch, capsys):
    """What a hostile file or name says does not reach the terminal as it is; line breaks of ours stay."""
    assert fails(monkeypatch, UsageError("no \x1b[31mred\nsecond", hint="do\x07 this")) == 2
    assert capsys.readouterr().err == "scout: no \\x1b[31mred\nsecond\n  hint: do\\x07 this\n"


def test_every_mistake_of_a_document_is_told_once(monkeypatch, capsys):
    """Also when the message has them already."""
    assert fails(monkeypatch, DocumentError("2 mistakes:\na.yaml:1:1: first", problems=("a.yaml:1:1: first", "a.yaml:2:1: second"))) == 3
    said = capsys.readouterr().err
    assert (said.count("first"), said.count("second")) == (1, 1)


def test_a_closed_standard_error_changes_no_exit_code(monkeypatch):
    """There is nobody to tell."""

    class Closed:
        def write(self, _text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    assert fails(monkeypatch, UsageError("x")) == 2


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["run", "--nope"],
        ["run", "--output", "xml"],
        ["run", "--status-port", "many"],
        ["record"],
        ["replay"],
        ["rules"],
        ["rules", "frob"],
        ["support"],
    ],
)
def test_a_command_line_with_a_mistake_is_one_message(words, capsys):
    """Exit code 2, on standard error, with where to read on."""
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("scout: ")
    assert "--help" in said.err


def test_what_was_typed_becomes_the_configuration(monkeypatch):
    """Each option reaches its place."""
    monkeypatch.delenv("SCOUT_FEATURES", raising=False)
    words = "run --rules a --rules b --policy p --output text --containers-only --node n --no-watch --strict --offsets o"
    words += " --status-port 9 --status-address ::1 --status-socket /s"
    config = cli._config(cli._parser().parse_args(words.split()))
    assert (config.rules, config.policy, config.output, config.host_in_scope) == ((Path("a"), Path("b")), Path("p"), "text", False)
    assert (config.node, config.status_port, config.status_address, config.watch) == ("n", 9, "::1", False)
    assert (config.kernel.strict, config.kernel.offsets, config.status_socket) == (True, Path("o"), Path("/s"))
    for nowhere in ("none", ""):
        assert cli._config(cli._parser().parse_args(["run", "--status-socket", nowhere])).status_socket is None
    for asks in (["run"], ["record", "f"], ["support", "f"], ["rules", "status"], ["ps"]):
        assert cli._parser().parse_args(asks).status_socket == SOCKET


def test_the_cluster_is_looked_for_unless_it_is_not_wanted(capsys):
    """A kubeconfig and none exclude each other."""
    config = cli._config(cli._parser().parse_args("run --kubeconfig k --kubeconfig-insecure --names-wait 0.5 --containerd-state c".split())).cluster
    assert (config.wanted, config.kubeconfig, config.insecure, config.wait_s, config.containerd_state) == (True, Path("k"), True, 0.5, Path("c"))
    assert cli._config(cli._parser().parse_args(["run"])).cluster.wanted
    assert not cli._config(cli._parser().parse_args(["run", "--no-cluster"])).cluster.wanted
    assert cli.main(["run", "--no-cluster", "--kubeconfig", "k"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_port_that_is_none_is_refused(capsys):
    """Before anything is loaded."""
    assert cli.main(["run", "--status-port", "70000"]) == 2
    assert "70000" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["version"], ["rules", "list"], ["--help"]])
def test_a_command_imports_what_it_needs(words):
    """Neither the agent, nor the metrics, nor BCC for a command that only tells."""
    code = f"import json, sys; from sensor.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\nprint(json.dumps([*sys.modules]), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & {"sensor.app", "sensor.startup", "sensor.adapters.metrics", "prometheus_client", "bcc"} == set()
    if words == ["--help"]:
        assert loaded & {"yaml", "re2", "sensor.commands"} == set()


def test_help_is_no_error(capsys):
    """It is what was asked for."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "--help"])
    assert caught.value.code == 0
    assert "--rules" in capsys.readouterr().out
