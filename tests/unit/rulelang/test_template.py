# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.common import FrameFlag
from sensor.rulelang.check import Report
from sensor.rulelang.template import compile_template
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import source


def rendered(text, event):
    """Return the message of a template without mistakes."""
    report = Report()
    template = compile_template(source(text), report)
    assert not report.problems
    return template.render(event)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a %proc.name b", "a cat b"),
        ("*%proc.pname.", "bash."),
        ("%proc.aname[2]/%proc.aname[7]", "sshd/<NA>"),
        ("%evt.arg.flags %evt.arg[name]", "O_RDONLY /etc/hosts"),
        ("%user.name %fd.sip", "<NA> <NA>"),
        ("100% of %fd.num", "100% of 3"),
        ("%evt.failed %user.loginuid", "false -1"),
        ("%container.info", "container_id=host container_name=host"),
        ("%proc.aname", "bash,sshd,systemd"),
    ],
)
def test_values_take_their_places(text, message):
    """Fields, arguments, missing and unfilled ones."""
    assert rendered(text, make_event("open")) == message


def test_addresses():
    """In their own form."""
    assert rendered("%fd.sip %fd.typechar %fd.name", make_event("connect", daddr="10.0.0.1")) == "10.0.0.1 4 192.0.2.1:40000->10.0.0.1:443"


def test_bytes_that_are_no_text():
    r"""Findings carry them as ``\xHH``."""
    assert rendered("%proc.name", make_event("open", comm=b"a\xffb")) == "a\\xffb"


def test_cut_values_show_their_end():
    """After an ellipsis."""
    assert rendered("%fd.name", make_event("open", path=b"x/y", flags=int(FrameFlag.PATH_CUT))) == "…x/y"


def test_flags_that_are_not_sure_are_marked():
    """As they were found, with a question mark."""
    event = make_event("open", open_flags=0o1001, flags=int(FrameFlag.CREATION_UNSURE))
    assert rendered("%evt.arg.flags %evt.arg.mode", event) == "O_WRONLY|O_TRUNC? <NA>"


def test_unknown_fields_are_mistakes_and_unfilled_ones_warnings():
    """At their place in the template."""
    report = Report()
    compile_template(source("a %proc.nmae %fd.containername"), report)
    assert [(one.column, one.hint) for one in report.problems] == [(4, "perhaps proc.name")]
    assert [one.column for one in report.warnings] == [15]


@pytest.mark.parametrize(
    ("text", "asks", "quotes"),
    [
        ("%proc.name", False, False),
        ("%user.name", True, False),
        ("a %proc.aexepath[2]", True, False),
        ("%proc.pcmdline", True, True),
        ("%proc.sname", False, False),
    ],
)
def test_a_template_says_what_it_needs(text, asks, quotes):
    """What must be asked for while the act is fresh, and whether others' arguments are shown."""
    template = compile_template(source(text), Report())
    assert (template.asks, template.quotes) == (asks, quotes)
