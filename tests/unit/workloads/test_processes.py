# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

from sensor.core.counters import Count, Counters
from sensor.workloads.processes import ProcessTable, cmdline_text


def acted(tgid, start_ns, cmdline=b"cat\0/etc/hosts\0"):
    return SimpleNamespace(tgid=tgid, start_ns=start_ns, cmdline=cmdline)


def test_a_process_is_its_id_and_its_start():
    """An id that is used again is another process."""
    table = ProcessTable(Counters())
    first = table.seen(acted(10, 1))
    assert table.seen(acted(10, 1)) is first
    assert table.seen(acted(10, 2, b"sh\0")) is not first
    assert first.cmdline == "cat /etc/hosts"


def test_an_exec_brings_the_new_command_line():
    """The table never answers with the arguments of the program before."""
    table = ProcessTable(Counters())
    table.seen(acted(10, 1))
    assert table.seen(acted(10, 1, b"sh\0-c\0id\0")).cmdline == "sh -c id"


def test_what_ended_is_forgotten():
    """An exit empties its place; one nobody knew is no mistake."""
    table = ProcessTable(Counters())
    table.seen(acted(10, 1))
    table.gone(10, 1)
    table.gone(10, 1)
    assert len(table) == 0


def test_the_table_is_bounded():
    """The process not seen for longest goes and is counted."""
    counters = Counters()
    table = ProcessTable(counters, max_processes=2)
    kept = table.seen(acted(1, 1))
    table.seen(acted(2, 1))
    table.seen(acted(1, 1))
    table.seen(acted(3, 1))
    assert table.seen(acted(1, 1)) is kept
    assert len(table) == 2
    assert counters.value(Count.PROCESSES_EVICTED) == 1


def test_bytes_that_are_not_text_stay_readable():
    """A command line of any bytes becomes text without losing one."""
    assert cmdline_text(b"a\xff\0\0b c\0\0") == "a\\xff  b c"
    assert cmdline_text(b"") == ""
