# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.unit.ruleset.documents import loaded, rule


@pytest.mark.parametrize(
    ("condition", "warned"),
    [
        ("evt.type = openat and fd.name startswith /etc/", True),
        ("evt.type = openat and not proc.name = x", True),
        ("evt.type = openat and fd.name = /etc/shadow", False),
        ("evt.type = openat and evt.is_open_write = true and fd.name startswith /etc/", False),
        ("evt.type = openat and fd.directory = /etc", False),
        ("evt.type = openat and proc.name = x", False),
        ("evt.type = openat and proc.exepath = /usr/bin/x", False),
        ("evt.type = openat and evt.failed = true and fd.name startswith /etc/", False),
        ("evt.type = execve", False),
    ],
)
def test_dear_clauses_are_warned_about(condition, warned):
    """An open that no early dimension narrows has its path walked."""
    assert bool([one for one in loaded(rule(condition)).warnings if "walked" in one.message]) == warned


def test_a_rule_without_an_event_is_warned_about():
    """It is asked for every kind."""
    assert any("names no event" in one.message for one in loaded(rule("proc.name = a")).warnings)
