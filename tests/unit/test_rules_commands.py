# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from sensor import rules_commands
from sensor.core.errors import UsageError
from tests.unit.recording.samples import write
from tests.unit.ruleset.documents import rule

POLICY = """apiVersion: scout.dev/v1alpha1
kind: RuntimeRuleset
metadata: {name: a-ruleset}
spec:
  rules: [{id: of opens, mitigation: log}]
"""


@pytest.fixture
def rules(tmp_path):
    """A folder with one rule."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text(rule("evt.type = openat and fd.name = /etc/shadow", name="of opens", more="  attack: [T1611]\n"))
    return tmp_path / "rules"


def run(action, **options):
    """Do an action with what the command line gives when nothing is said."""
    given = {"paths": [], "json": False, "navigator": False, "policy": None, "rules": [], "recording": None, "frame": None, **options}
    return rules_commands.rules(SimpleNamespace(action=action, **given))


def test_list_shows_each_rule_for_people_and_machines(rules, tmp_path, capsys):
    """The same rows, with the mitigation of the policy that is named; a rule that it does not choose has none."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (rules / "b.yaml").write_text(rule("evt.type = openat", name="not chosen"))
    assert run("list", paths=[rules]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "priority", "status", "mitigation", "ATT&CK", "name"]
    assert [row.split()[-2:] for row in rows] == [["of", "opens"], ["not", "chosen"]]
    assert run("list", paths=[rules], json=True, policy=tmp_path / "policy.yaml") == 0
    assert [(row["name"], row["mitigation"]) for row in json.loads(capsys.readouterr().out)] == [("of opens", "log"), ("not chosen", None)]


def test_list_makes_a_layer_for_the_navigator(rules, capsys):
    """Of the rules' techniques."""
    assert run("list", paths=[rules], navigator=True) == 0
    assert json.loads(capsys.readouterr().out)["techniques"] == [{"techniqueID": "T1611", "score": 1, "comment": "of opens"}]


def test_explain_shows_the_function_or_says_that_there_is_no_such_rule(rules, capsys):
    """By id or name, or every rule of a file."""
    assert run("explain", rules=[rules], rule="of opens") == 0
    assert "def " in capsys.readouterr().out
    with pytest.raises(UsageError, match="nonesuch"):
        run("explain", rules=[rules], rule="nonesuch")
    (rules / "a.yaml").write_text((rules / "a.yaml").read_text() + rule("evt.type = connect", name="of connects"))
    assert run("explain", rule=str(rules / "a.yaml")) == 0
    out = capsys.readouterr().out
    assert "of opens" in out
    assert "of connects" in out


def test_explain_says_why_on_a_recording(rules, tmp_path, capsys):
    """Frame by frame, or one: what held, what failed, and the value that decided; frames of other kinds are counted."""
    path = write(tmp_path / "r")
    assert run("explain", rules=[rules], rule="of opens", recording=path) == 0
    out = capsys.readouterr().out
    assert "frame 0: open by cat[" in out
    assert "of opens matches" in out
    assert "fd.name is /etc/shadow" in out
    assert out.endswith("of opens: asked about 1 of 3 frames; matches 1\n")
    (rules / "a.yaml").write_text(rule("evt.type = openat and proc.name = dog", name="of opens"))
    assert run("explain", rules=[rules], rule="of opens", recording=path, frame=0) == 0
    out = capsys.readouterr().out
    assert "of opens is silent" in out
    assert "FAILS  proc.name = dog" in out
    assert "proc.name is cat" in out
    assert run("explain", rules=[rules], rule="of opens", recording=path, frame=2) == 0
    assert capsys.readouterr().out == "of opens: asked about 1 of 3 frames, 1 of them not shown; matches 0\n"


def test_check_answers_with_the_documented_code(rules, capsys):
    """0 when all is well, 3 with mistakes, which are told."""
    assert run("check", paths=[rules]) == 0
    (rules / "b.yaml").write_text(rule("no.such = 1", name="bad"))
    assert run("check", paths=[rules]) == 3
    assert "no.such" in capsys.readouterr().out


def test_the_managed_rules_pass_their_cases(capsys):
    """Without a path they are meant."""
    assert run("test") == 0
    assert " 0 failed" in capsys.readouterr().out
