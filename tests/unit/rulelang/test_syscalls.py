# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.rulelang.fields import KINDS
from sensor.rulelang.syscalls import BY_KIND, EVENT_TYPES


def test_kinds_have_names_that_events_have():
    """Every kind that rules are asked about has its names, and they are known ones."""
    assert set(BY_KIND) == set(KINDS)
    assert {name.decode() for names in BY_KIND.values() for name in names} <= EVENT_TYPES


def test_names_that_rules_use_are_known():
    """Calls and Falco's own events."""
    assert {"unshare", "setns", "ptrace", "bpf", "io_uring_setup", "procexit", "container", "execveat", "renameat2"} <= EVENT_TYPES
