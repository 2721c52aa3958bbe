# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.core.logtail import LogTail


def test_what_is_kept_is_the_end():
    """As many lines as there is room for, the newest last; the number of those that went is said."""
    tail = LogTail(max_lines=3)
    for number in range(5):
        tail.add(f"line {number}")
    assert tail.text() == "[2 lines before these are gone]\nline 2\nline 3\nline 4\n"


def test_long_lines_take_the_place_of_many():
    """Memory is bounded whatever the lines are; the last one is always there."""
    tail = LogTail(max_bytes=100)
    tail.add("a" * 60)
    tail.add("b" * 60)
    assert tail.text() == f"[1 lines before these are gone]\n{'b' * 60}\n"
    tail.add("c" * 1000)
    assert tail.text().endswith("c" * 1000 + "\n")


def test_a_quiet_log_is_empty():
    """No line, no count."""
    assert LogTail().text() == ""
