# SPDX-License-Identifier: Apache-2.0

from sensor.events.common import HEADER, PROCESS, SHARED_TAILS
from sensor.events.registry import KINDS

# Recordings carry these numbers and names: one may be added, none may change.
NUMBERS = {"exec": 1, "exit": 2, "open": 3, "connect": 4, "flood": 5}
MEMBERS = {
    "exec": ["ret", "asked", "interpreter", "fs_path"],
    "exit": ["exit_code"],
    "open": ["ret", "dirfd", "open_flags", "file_flags", "syscall", "open_mode", "inode", "path", "fs_path", "asked"],
    "connect": ["ret", "fd", "family", "protocol", "dport", "sport", "daddr", "saddr", "unix_path"],
    "flood": ["dropped", "flooded_kind", "flooded_lane"],
}


def test_a_kinds_number_is_permanent():
    """Each kind has the number it always had, and no number is used twice."""
    assert {spec.name: spec.number for spec in KINDS} == NUMBERS
    assert len({spec.number for spec in KINDS}) == len(KINDS)


def test_kinds_have_the_members_that_rules_and_findings_use():
    """A kind's fields and tails, in the order of the frame."""
    assert {spec.name: [part.name for part in (*spec.fields, *spec.tails)] for spec in KINDS} == MEMBERS


def test_a_kinds_members_have_names_of_their_own():
    """No kind names a member like one that every frame has: an event has one attribute per name."""
    for spec in KINDS:
        names = [part.name for part in (*HEADER, *PROCESS, *SHARED_TAILS, *spec.fields, *spec.tails)]
        assert len(names) == len(set(names)), spec.name


def test_every_member_is_documented():
    """Each kind, field and tail says what it means."""
    assert all(spec.doc for spec in KINDS)
    assert [part.name for spec in KINDS for part in (*HEADER, *PROCESS, *SHARED_TAILS, *spec.fields, *spec.tails) if not part.doc] == []
