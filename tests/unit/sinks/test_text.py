# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import re

import pytest

from sensor.events.common import FrameFlag
from sensor.sinks.text import SHOWN_CHARACTERS, render, wants_colour
from tests.unit.finding_factory import make_finding, make_rule

SGR = re.compile(r"\x1b\[[0-9]*m")


def test_a_finding_is_three_lines():
    """Time, severity, rule and techniques; the act; who did it, where."""
    finding = make_finding(path="/etc/shadow", asked="/etc/shadow", cmdline=b"cat\0/etc/shadow\0")
    assert render(finding, colour=False) == (
        "22:13:21.000 WARNING   SC-0001 Sensitive file read  T1003.008\n"
        "    opened /etc/shadow (O_RDONLY)\n"
        "    cat[1000] by bash[999] < sshd[500] < systemd[1] · cat /etc/shadow · uid 1000 · host\n"
    )


@pytest.mark.parametrize(
    ("kind", "values", "act"),
    [
        ("open", {"ret": -errno.EACCES, "path": b"", "asked": "/etc/shadow"}, "open of /etc/shadow (O_RDONLY) failed: EACCES"),
        ("open", {"path": "/etc/shadow", "asked": "../x", "open_flags": os.O_WRONLY}, "opened /etc/shadow (asked: ../x) (O_WRONLY)"),
        ("open", {"path": "/a", "asked": "/a", "flags": int(FrameFlag.CMDLINE_CUT)}, "opened /a (O_RDONLY) [cut: process.cmdline]"),
        ("exec", {"exe_path": "/usr/bin/dash", "asked": "./x", "interpreter": "/bin/sh"}, "executed /usr/bin/dash (asked: ./x) (interpreter: /bin/sh)"),
        ("exec", {"ret": -errno.ENOENT, "asked": "./x"}, "exec of ./x failed: ENOENT"),
        ("connect", {}, "connected to 192.0.2.7:443 (tcp)"),
        ("connect", {"daddr": "2001:db8::1", "family": 10, "ret": -errno.ECONNREFUSED}, "connect to [2001:db8::1]:443 (tcp) failed: ECONNREFUSED"),
        ("connect", {"family": 1, "unix_path": b"/run/x"}, "connected to unix /run/x"),
        ("connect", {"family": 1, "unix_path": b"\0x"}, "connected to unix @x"),
        ("flood", {"dropped": 12345, "flooded_kind": 3}, "flood: 12,345 acts dropped so far, the last an open (common lane)"),
    ],
)
def test_each_act_reads_as_people_say_it(kind, values, act):
    """Kind, outcome, what was reached and what was asked, in words."""
    assert render(make_finding(kind, **values), colour=False).splitlines()[1].strip() == act


def test_a_container_and_its_pod_are_named():
    """The workload is what is known of it: the pod's UID until its name is known."""
    finding = make_finding(container=True)
    assert render(finding, colour=False).endswith(" · pod 8c1c7ad4-0000-4000-8000-000000000001, container c0ffeec0ffee\n")
    named = finding | {"namespace": "shop", "pod": {**finding["pod"], "name": "web-1"}, "container": {**finding["container"], "name": "web"}}
    assert render(named, colour=False).endswith(" · pod shop/web-1, container web\n")
    assert render(finding | {"pod": None}, colour=False).endswith(" · container c0ffeec0ffee\n")
    assert render(finding | {"container": None, "scope": "unknown"}, colour=False).endswith(" · unknown workload\n")


def test_counts_marks_and_mitigations_are_said():
    """Folded acts, late findings, a changed user and what was not done are in the text."""
    finding = make_finding(euid=0, late=True) | {"repeats": "x", "aggregated": 1234}
    finding["mitigation"] = {"asked": "isolate", "done": None, "at": None, "reason": "no network"}
    lines = render(finding, colour=False).splitlines()
    assert "(1,234 more of these)" in lines[0]
    assert lines[1].endswith("[late]")
    assert "uid 1000 (effective 0)" in lines[2]
    assert lines[3] == "    asked: isolate, done: nothing (no network)"


def test_colour_changes_nothing_but_colour():
    """Without its escapes the coloured text is the plain one, and the severity's colour is in it."""
    finding = make_finding()
    coloured = render(finding, colour=True)
    assert "\x1b[33mWARNING" in coloured
    assert SGR.sub("", coloured) == render(finding, colour=False)


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_text_cannot_write_to_the_terminal(colour):
    """Names, paths and arguments with escapes, newlines and overrides are shown escaped, on as many lines as ever."""
    evil = b"\x1b[2J\n\r\x9b\xe2\x80\xae"
    finding = make_finding(
        "open", rule=make_rule(name="\x1b]0;x\x07\n"), comm=evil, pcomm=evil, path=evil, asked=evil + b"x", cmdline=evil, ancestors=((1, evil),), container=True
    )
    text = SGR.sub("", render(finding, colour=colour))
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("\n") == 3
    assert "\\x1b[2J\\x0a\\x0d\\x9b\\xe2\\x80\\xae" in text


def test_a_long_command_line_is_shortened():
    """One finding does not fill the screen; the JSON form has all of it."""
    text = render(make_finding(cmdline=b"x" * 2000), colour=False)
    assert "x" * SHOWN_CHARACTERS + "…" in text
    assert "x" * (SHOWN_CHARACTERS + 1) not in text


@pytest.mark.parametrize(
    ("is_terminal", "environment", "wanted"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"NO_COLOR": ""}, True), (True, {"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(is_terminal, environment, wanted):
    """Colour needs a terminal that is not dumb and no NO_COLOR."""
    assert wants_colour(is_terminal=is_terminal, environment=environment) is wanted
