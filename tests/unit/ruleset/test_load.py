# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.errors import DocumentError
from sensor.ruleset.load import load, load_texts, rule_files
from sensor.ruleset.model import RuleStatus
from tests.unit.ruleset.documents import loaded, problems, rule


def test_a_set_has_rules_clauses_and_a_hash():
    """One rule, one clause, 64 hexadecimal digits."""
    ruleset = loaded(rule("evt.type = openat and fd.name = /etc/x"))
    assert [one.name for one in ruleset.rules] == ["r"]
    assert [clause.rules for clause in ruleset.clauses["open"]] == [("r",)]
    assert ruleset.clauses["exec"] == ()
    assert len(bytes.fromhex(ruleset.hash)) == 32


@pytest.mark.parametrize(
    ("condition", "output", "wants"),
    [
        ("evt.type = openat and fd.name = /etc/x and proc.pname = sh", "%user.name", False),
        ("evt.type = openat and fd.name = /etc/x and proc.pcmdline contains x", "", True),
        ("evt.type = openat and fd.name = /etc/x and not proc.aexepath[2] = /bin/x", "", True),
        ('evt.type = openat and fd.name = /etc/x and concat(proc.pexe, ".") = x.', "", True),
        ("evt.type = openat and fd.name = /etc/x", "%proc.sid.exepath", True),
    ],
)
def test_a_set_knows_whether_execs_are_to_be_remembered(condition, output, wants):
    """When a condition or a message is about what another process runs."""
    assert loaded(rule(condition, output=f'"x {output}"')).wants_images is wants


def test_all_mistakes_of_all_files_come_at_once():
    """In the order of files and lines, each with its place."""
    found = problems(rule("proc.nmae = a"), "- rule: x\n", rule("proc.pid = x", name="y"), "a: ]\n")
    assert [(one.path, one.line) for one in found] == [("a.yaml", 4), ("b.yaml", 1), ("c.yaml", 4), ("d.yaml", 1)]


def test_folders_are_read_in_byte_order(tmp_path):
    """Upper case before lower, folders inside too, cases left out, other files too."""
    for name in ("b.yaml", "B.yaml", "a/rule.yaml", "a/cases.yaml", "c.yml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    assert [path.relative_to(tmp_path).as_posix() for path in rule_files([tmp_path])] == ["B.yaml", "a/rule.yaml", "b.yaml", "c.yml"]


def test_files_that_are_not_there(tmp_path):
    """A missing file and an empty folder are mistakes."""
    with pytest.raises(DocumentError) as caught:
        load([tmp_path / "x.yaml", tmp_path])
    assert len(caught.value.problems) == 2


def test_a_file_is_loaded_from_disk(tmp_path):
    """The path is told in problems."""
    (tmp_path / "x.yaml").write_text(rule("proc.nmae = a"))
    with pytest.raises(DocumentError) as caught:
        load([tmp_path / "x.yaml"])
    assert caught.value.problems[0].path == str(tmp_path / "x.yaml")


def test_the_hash_is_of_what_the_rules_say():
    """Order of keys, files and comments do not count; a condition does, and a list."""
    one = loaded("- list: l\n  items: [a]\n", rule("proc.name in (l)"))
    two = loaded("# hello\n" + rule("proc.name in (l)") + "- {items: [a], list: l}\n")
    three = loaded("- list: l\n  items: [b]\n", rule("proc.name in (l)"))
    assert one.hash == two.hash != three.hash


def test_an_id_belongs_to_one_rule():
    """The second rule with it is a mistake."""
    found = problems(rule("proc.name = a", name="x", more="  id: SC-1\n") + rule("proc.name = a", name="y", more="  id: SC-1\n"))
    assert [(one.line, "SC-1" in one.message) for one in found] == [(9, True)]


def test_other_sources_are_left_alone():
    """They are neither checked nor loaded, and reported."""
    ruleset = loaded(rule("ka.verb = get", more="  source: k8s_audit\n"))
    assert (ruleset.rules, ruleset.left_alone) == ((), ("r",))
    assert "k8s_audit" in ruleset.warnings[0].message


def test_rules_may_be_off():
    """A later file may switch one off and on."""
    assert loaded(rule("proc.name = a", more="  enabled: false\n")).disabled == ("r",)
    assert loaded(rule("proc.name = a"), "- rule: r\n  enabled: false\n").disabled == ("r",)
    assert len(loaded(rule("proc.name = a", more="  enabled: false\n"), "- rule: r\n  enabled: true\n").rules) == 1


def test_no_files_are_no_rules():
    """An empty set is a set."""
    assert load_texts([]).rules == ()
    assert loaded("").rules == ()


HOSTILE = {
    "deep parentheses": rule("(" * 10_000 + "proc.name = a" + ")" * 10_000),
    "deep yaml": "[" * 100_000,
    "a large file": "# " + "x" * (5 << 20),
    "aliases": "- &a [x]\n- *a\n",
    "duplicate keys": "- {rule: a, rule: b}\n",
    "an exploding expression": rule("proc.name regex '(((a{100}){100}){100}){100}'"),
    "a macro of itself": "- {macro: m, condition: m}\n" + rule("m"),
    "control characters": "- rule: \x01\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(text):
    """In bounded time, with a problem rather than a crash."""
    assert problems(text)


def test_names_that_look_like_code():
    """They are names."""
    ruleset = loaded(rule("proc.name = a", name="\"'); import os; ('\"", more="  tags: ['{x.__class__}']\n"))
    assert ruleset.rules[0].name == "'); import os; ('"
    assert ruleset.rules[0].status is RuleStatus.ACTIVE
