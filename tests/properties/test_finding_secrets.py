# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.line import to_line
from sensor.sinks.text import render
from tests.properties.test_finding_redaction import FORMS, NOISE, SECRET
from tests.unit.finding_factory import make_finding, make_rule


@settings(max_examples=100, deadline=None)
@given(before=NOISE, form=FORMS, secret=SECRET, after=NOISE, kind=st.sampled_from(["open", "exec", "connect", "flood"]))
def test_a_planted_secret_is_in_no_form_of_the_finding(before, form, secret, after, kind):
    """Neither the document, nor its line, nor the text for people has a secret from the command line, though the rule's message quotes it."""
    args = [*before, *(part.format(*([secret] * part.count("{}"))) for part in form), *after]
    cmdline = "\0".join(args).encode() + b"\0"
    finding = make_finding(kind, cmdline=cmdline, rule=make_rule(render=lambda event: f"(command={event.cmdline!r})"))
    assert secret not in repr(finding)
    assert secret.encode() not in to_line(finding)[0]
    assert secret not in render(finding, colour=False)


@settings(max_examples=50, deadline=None)
@given(secret=SECRET, member=st.sampled_from(["asked", "path", "fs_path", "cwd", "exe_path"]))
def test_credentials_in_a_url_are_in_no_path(secret, member):
    """A URL taken for a path, as asked or as the kernel resolved it, loses its password."""
    url = f"https://me:{secret}@example.com/x" if member == "asked" else f"/srv/https:/me:{secret}@example.com/x"
    finding = make_finding("open", flags=1 << 16, **{member: url})
    assert secret not in repr(finding)
