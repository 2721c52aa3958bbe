# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.ruleset.model import RuleStatus
from tests.unit.events_factory import make_event
from tests.unit.ruleset.documents import loaded, problems, rule


@pytest.mark.parametrize(
    ("condition", "status", "kinds", "reason"),
    [
        ("evt.type = openat and proc.name = a", RuleStatus.ACTIVE, ("open",), ""),
        ("evt.type in (openat, unlink) and proc.name = a", RuleStatus.DEGRADED, ("open",), "no probe for unlink"),
        ("evt.type = unshare", RuleStatus.BLIND, (), "no probe for unshare"),
        ("evt.type = openat and fd.containername = root", RuleStatus.BLIND, (), "open: fd.containername is not filled by this build"),
        ("evt.type = openat and not container.image.id = x", RuleStatus.BLIND, (), "open: container.image.id is not filled by this build"),
        (
            "(evt.type = openat and fd.containername = root) or evt.type = execve",
            RuleStatus.DEGRADED,
            ("exec",),
            "open: fd.containername is not filled by this build",
        ),
        ("evt.type = openat and (proc.name = a or evt.type = sendto and fd.connected = false)", RuleStatus.ACTIVE, ("open",), ""),
        ("evt.type = openat and evt.dir = >", RuleStatus.BLIND, (), "the condition can never hold"),
        ("proc.name = a", RuleStatus.ACTIVE, ("exec", "open", "connect"), ""),
        ("evt.type = openat and proc.name = val(proc.pname)", RuleStatus.ACTIVE, ("open",), ""),
        ("evt.type = openat and proc.name = val(fd.containername)", RuleStatus.BLIND, (), "open: fd.containername is not filled by this build"),
    ],
)
def test_what_a_rule_can_do_here(condition, status, kinds, reason):
    """Missing fields and probes make a rule blind or degraded, with the reason; it always loads."""
    (found,) = loaded(rule(condition)).rules
    assert (found.status, found.kinds, found.reason) == (status, kinds, reason)


def test_limitations_are_warnings_at_their_place():
    """Rule, field, line and column."""
    (warning,) = loaded(rule("evt.type = openat and fd.containername = root")).warnings
    assert (warning.line, warning.column) == (4, 36)
    assert warning.message == "r: blind: open: fd.containername is not filled by this build"


def test_the_output_never_blinds():
    """A field that is only printed is a warning."""
    ruleset = loaded(rule("evt.type = openat and proc.name = a", output='"%fd.containername"'))
    assert ruleset.rules[0].status is RuleStatus.ACTIVE
    assert "prints <NA>" in ruleset.warnings[0].message


def test_priorities():
    """Falco's, in any case; INFO is INFORMATIONAL; others are mistakes."""
    assert loaded(rule("proc.name = a", priority="info")).rules[0].priority == "INFORMATIONAL"
    assert loaded(rule("proc.name = a", priority="Critical")).rules[0].priority == "CRITICAL"
    assert "EMERGENCY" in problems(rule("proc.name = a", priority="high"))[0].hint


def test_high_is_warning_and_above():
    """Which lane a clause may use."""
    assert loaded(rule("evt.type=openat and proc.name = a", priority="WARNING")).clauses["open"][0].high
    assert not loaded(rule("evt.type=openat and proc.name = a", priority="NOTICE")).clauses["open"][0].high


def test_attack_ids_are_checked():
    """Those under attack are looked up, those among the tags taken as they are."""
    assert loaded(rule("proc.name = a", more="  attack: [T1611]\n")).rules[0].attack == ("T1611",)
    assert loaded(rule("proc.name = a", more="  tags: [host, T9999]\n")).rules[0].attack == ("T9999",)
    assert "T9999" in problems(rule("proc.name = a", more="  attack: [T9999]\n"))[0].message


def test_ids_versions_and_maturity():
    """The id is the name when there is none; versions are numbers from 1; maturity is one of four."""
    assert loaded(rule("proc.name = a")).rules[0].id == "r"
    found = loaded(rule("proc.name = a", more="  id: SC-1\n  version: 3\n  maturity: stable\n")).rules[0]
    assert (found.id, found.version, found.maturity) == ("SC-1", 3, "stable")
    assert problems(rule("proc.name = a", more="  version: 0\n"))
    assert problems(rule("proc.name = a", more="  maturity: old\n"))


def test_rules_match_and_tell():
    """A rule is asked by an event's kind and renders its message."""
    (found,) = loaded(rule("evt.type = openat and proc.name = cat")).rules
    assert found.match(make_event("open"))
    assert not found.match(make_event("exec"))
    assert found.render(make_event("open")) == found.format_output(make_event("open")) == "out cat"


CORPUS = r"""
- required_engine_version: 0.40.0
- required_plugin_versions: [{name: k8saudit, version: 0.7.0}]
- list: reader_programs
  items: [cat, head, "\"tail\"", '"od"']
- list: private_networks
  items: ['"10.0.0.0/8"', '"172.16.0.0/12"', '"192.168.0.0/16"']
- macro: write_open
  condition: (evt.type in (open,openat,openat2) and evt.is_open_write=true and fd.typechar='f' and fd.num>=0)
- macro: read_open
  condition: (evt.type in (open,openat,openat2) and evt.is_open_read=true and fd.typechar='f' and fd.num>=0)
- macro: failed_open
  condition: (evt.type in (open,openat,openat2) and fd.typechar='f' and fd.num=-1 and evt.res startswith E)
- macro: nobody
  condition: (evt.num=0)
- macro: started
  condition: (evt.type in (execve, execveat) and evt.dir=<)
- macro: in_a_container
  condition: (container.id != host)
- macro: going_out
  condition: >
    (((evt.type = connect and evt.dir=<) or
      (evt.type in (sendto,sendmsg) and evt.dir=< and
       fd.l4proto != tcp and fd.connected=false and fd.name_changed=true)) and
     (fd.typechar = 4 or fd.typechar = 6) and
     (fd.ip != "0.0.0.0" and fd.net != "127.0.0.0/8" and not fd.snet in (private_networks)) and
     (evt.rawres >= 0 or evt.res = EINPROGRESS))
- rule: Traversal
  desc: >
    a description
    over lines
  condition: (read_open or failed_open) and (fd.name startswith /etc/ or fd.name contains "id_rsa") and fd.nameraw contains '../' and not nobody
  output: >
    Traversal (file=%fd.name raw=%fd.nameraw gparent=%proc.aname[2] evt_type=%evt.type user=%user.name
    exe_flags=%evt.arg.flags %container.info)
  priority:
    WARNING
  tags: [maturity_stable, host, T1555]
- rule: Going out
  desc: d
  condition: going_out and in_a_container and not proc.aname[3] in (reader_programs, sshd)
  output: out (connection=%fd.name)
  priority: NOTICE
  exceptions:
    - name: proc_port
      fields: [proc.name, fd.sport]
      comps: [in, =]
      values:
        - [[curl, wget], 443]
    - name: later
      fields: [proc.pname]
  warn_evttypes: false
- rule: Later
  desc: d
  condition: started and proc.name in (reader_programs) and proc.cmdline icontains SHADOW
  output: later
  priority: INFO
  enabled: false
- rule: Later
  enabled: true
- rule: Going out
  append: true
  exceptions:
    - {name: later, fields: [proc.pname], values: [[init]]}
- rule: Traversal
  override: {condition: append, priority: replace}
  condition: and not proc.name = backup
  priority: ERROR
- list: reader_programs
  append: true
  items: [less]
"""


def test_files_as_people_write_them():
    """Every construct of a common rule file loads, and the rules fire."""
    ruleset = loaded(CORPUS)
    by_name = {one.name: one for one in ruleset.rules}
    assert [(one.name, one.status.value) for one in ruleset.rules] == [("Traversal", "active"), ("Going out", "degraded"), ("Later", "active")]
    assert by_name["Traversal"].priority == "ERROR"
    assert by_name["Traversal"].match(make_event("open", path="/etc/passwd", asked="../../etc/passwd"))
    assert not by_name["Traversal"].match(make_event("open", path="/etc/passwd", asked="../../etc/passwd", comm="backup"))
    assert by_name["Traversal"].match(make_event("open", path="", asked="/srv/../etc/../etc/id_rsa", ret=-2))
    out = {"container": True, "daddr": "8.8.8.8"}
    assert by_name["Going out"].match(make_event("connect", **out))
    assert by_name["Going out"].match(make_event("connect", **out, comm="curl", dport=80))
    assert not by_name["Going out"].match(make_event("connect", **out, comm="curl", dport=443))
    assert not by_name["Going out"].match(make_event("connect", **out, pcomm="init"))
    assert not by_name["Going out"].match(make_event("connect", container=True, daddr="10.1.1.1"))
    assert by_name["Later"].match(make_event("exec", comm="less", cmdline=b"less\0/etc/Shadow\0"))
    assert by_name["Later"].match(make_event("exec", comm="od", cmdline=b"od\0/etc/Shadow\0"))


def test_a_misspelt_priority_is_guessed():
    """The likest priority comes first, then all of them."""
    assert problems(rule("evt.type = openat", priority="CRITCAL"))[0].hint.startswith("perhaps CRITICAL; one of EMERGENCY")
