# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from sensor.doctor.checks import examine
from sensor.doctor.render import as_json, as_text
from sensor.doctor.verdicts import note, ok, problem
from tests.unit.doctor.facts_factory import GOOD

CHECKS = (ok("kernel", "Linux 6.1"), note("cgroups", "hybrid", "by memory"), problem("BCC", "missing", "cannot compile", "apt-get install python3-bpfcc"))


def test_lines_are_aligned_and_problems_come_with_their_command():
    """Verdict, subject, what was found; below it what is used and what to do; a summary at the end."""
    assert as_text(CHECKS, colour=False).splitlines() == [
        "ok       kernel   Linux 6.1",
        "note     cgroups  hybrid",
        "                  by memory",
        "problem  BCC      missing",
        "                  cannot compile",
        "                  to do: apt-get install python3-bpfcc",
        "",
        "Scout cannot run here as it is: BCC.",
    ]


def test_colour_is_only_for_terminals():
    """With colour, the verdict alone is coloured; without, there is no escape."""
    assert "\x1b[1;31mproblem\x1b[0m" in as_text(CHECKS, colour=True)
    assert "\x1b" not in as_text(CHECKS, colour=False)


def test_what_the_node_says_cannot_write_to_the_terminal():
    """Control characters in a path are shown escaped, and a line stays a line."""
    text = as_text((ok("kernel", "a\x1b[2Jb\nc"),), colour=False)
    assert text.splitlines()[0] == r"ok       kernel  a\x1b[2Jb\x0ac"


def test_json_has_every_check():
    """Versioned, with the same verdicts as the text."""
    document = json.loads(as_json(CHECKS))
    assert (document["doctor"], document["can_run"]) == (1, False)
    assert document["checks"][2] == {
        "name": "BCC",
        "verdict": "problem",
        "found": "missing",
        "uses": "cannot compile",
        "fix": "apt-get install python3-bpfcc",
    }
    assert json.loads(as_json(examine(GOOD)))["can_run"] is True
    assert as_text(examine(GOOD), colour=False).endswith("\nScout can run here.\n")
