# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.engine.match import MAX_KEPT, Matcher
from sensor.events.common import FrameFlag
from tests.unit.events_factory import make_event
from tests.unit.ruleset.documents import loaded, rule

ALL = (1 << 256) - 1
RULES = "".join(
    rule(condition, name=name)
    for name, condition in {
        "a": "evt.type = openat and proc.name = cat",
        "b": "evt.type = openat and fd.name = /etc/shadow",
        "c": "evt.type = openat and fd.name = /etc/shadow and proc.name = cat",
        "d": "evt.type = openat and proc.pname = bash",
        "e": "evt.type = execve and proc.exepath startswith /dev/shm/",
    }.items()
)


@pytest.fixture
def failures():
    """Return what failed."""
    return []


@pytest.fixture
def matcher(failures):
    """Return a matcher of the rules above."""
    return Matcher(loaded(RULES), lambda name, error: failures.append((name, type(error))))


def names(rules):
    """Return the names of rules."""
    return [one.name for one in rules]


def test_only_candidates_are_asked(matcher):
    """Each set bit's rules, in the order of their documents, each once."""
    event = make_event("open", path="/etc/shadow")
    assert names(matcher.match(event, ALL)) == ["a", "b", "c", "d"]
    assert names(matcher.match(event, 0b10)) == ["b"]
    assert names(matcher.match(event, 0b1001)) == ["a", "d"]
    assert matcher.match(event, 0) == []


def test_bits_are_of_the_kind(matcher):
    """An exec's bit 0 is another rule."""
    assert names(matcher.match(make_event("exec", exe_path="/dev/shm/x"), 1)) == ["e"]
    assert matcher.match(make_event("connect"), ALL) == []
    assert matcher.match(make_event("exit"), ALL) == []


def test_either_view_of_the_file_matches(matcher):
    """A bind mount is seen by its path and by the path inside its filesystem; the event is left as it was."""
    event = make_event("open", path="/mnt/x", fs_path="/etc/shadow", flags=int(FrameFlag.FS_PATH))
    assert names(matcher.match(event, ALL)) == ["a", "b", "c", "d"]
    assert event.path == b"/mnt/x"
    program = make_event("exec", exe_path="/mnt/x", fs_path="/dev/shm/x", flags=int(FrameFlag.FS_PATH))
    assert names(matcher.match(program, ALL)) == ["e"]
    assert names(matcher.match(make_event("open", path="/mnt/x", fs_path="/etc/shadow"), ALL)) == ["a", "d"]


def test_a_failed_open_has_one_view(matcher):
    """It reached no file, so no other path of one."""
    event = make_event("open", ret=-2, path="", asked="/mnt/x", fs_path="/etc/shadow", flags=int(FrameFlag.FS_PATH))
    assert names(matcher.match(event, ALL)) == ["a", "d"]


def test_a_rule_that_fails_is_told_and_the_others_go_on(matcher, failures):
    """In both views."""
    event = make_event("open", path="/mnt/x", fs_path="/etc/shadow", flags=int(FrameFlag.FS_PATH))
    del event.comm
    assert names(matcher.match(event, ALL)) == ["b", "d"]
    assert {name for name, _ in failures} == {"a", "c"}
    assert {kind for _, kind in failures} == {AttributeError}


def test_a_shared_bit_asks_all_its_rules():
    """Rules that want the same of the kernel have one bit."""
    ruleset = loaded(
        rule("evt.type = openat and proc.name = cat and fd.num > 1", name="x") + rule("evt.type = openat and proc.name = cat and fd.num > 2", name="y")
    )
    matcher = Matcher(ruleset, lambda _name, error: pytest.fail(str(error)))
    assert len(ruleset.clauses["open"]) == 1
    assert names(matcher.match(make_event("open", ret=2), 1)) == ["x"]


def test_memory_is_bounded(matcher):
    """Any number of combinations of bits is remembered up to a limit."""
    event = make_event("open")
    for bits in range(MAX_KEPT * 3):
        matcher.match(event, bits << 8)
    assert len(matcher._kept["open"]) <= MAX_KEPT
