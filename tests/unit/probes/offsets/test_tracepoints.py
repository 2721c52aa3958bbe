# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.tracepoints import find_tracefs, parse_format, read_offsets
from sensor.probes.offsets.wanted import WantedTracepoint

FORMAT = """name: sched_process_exec
ID: 365
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:12;\tsize:4;\tsigned:0;
\tfield:const void * skaddr;\toffset:16;\tsize:8;\tsigned:0;

print fmt: "filename=%s", __get_str(filename)
"""
WANTED = [WantedTracepoint("sched", "sched_process_exec", "filename"), WantedTracepoint("sock", "inet_sock_set_state", "dport")]


def tracefs_with(folder, text=FORMAT):
    """A made-up tracefs with one event."""
    event = folder / "events/sched/sched_process_exec"
    event.mkdir(parents=True)
    (event / "format").write_text(text)
    return folder


def test_fields_have_their_names_without_types_and_array_bounds():
    """Pointers, arrays and __data_loc are spelt as the kernel does."""
    assert parse_format(FORMAT) == {"common_type": 0, "common_pid": 4, "filename": 8, "saddr": 12, "skaddr": 16}


@pytest.mark.parametrize(
    "line",
    [
        "\tfield:int x;\toffset:a;\tsize:4;\tsigned:1;",
        "\tfield:int x;\toffset:8;\tsize:4;",
        "\tfield:;\toffset:8;\tsize:4;\tsigned:1;",
        "\tfield:int x;\toffset:9000;\tsize:4;\tsigned:1;",
        "\tfield:int filename;\toffset:40;\tsize:4;\tsigned:1;",
        "\tgarbage",
    ],
)
def test_a_line_the_kernel_would_not_write_is_refused(line):
    """Strictly parsed: nothing is skipped that stands among the fields."""
    with pytest.raises(ValueError, match="field"):
        parse_format(FORMAT.replace("\nprint", f"{line}\n\nprint"))


def test_a_format_without_fields_is_refused():
    """An empty file is no layout."""
    with pytest.raises(ValueError, match="no fields"):
        parse_format("")


def test_offsets_of_events_that_are_there(tmp_path):
    """A missing event's members are left out: 4.14 has no inet_sock_set_state."""
    assert read_offsets(tracefs_with(tmp_path), WANTED) == {"tp_sched_process_exec__filename": 8}


def test_a_missing_member_of_a_present_event_is_a_refusal(tmp_path):
    """The message names event and member."""
    with pytest.raises(OffsetsUnknown, match="sched/sched_process_exec has no member nope"):
        read_offsets(tracefs_with(tmp_path), [WantedTracepoint("sched", "sched_process_exec", "nope")])


def test_a_format_that_is_none_is_a_refusal(tmp_path):
    """What cannot be understood is not used."""
    with pytest.raises(OffsetsUnknown, match="format: no fields"):
        read_offsets(tracefs_with(tmp_path, "hello"), WANTED)


def test_tracefs_is_found_where_it_is_mounted(tmp_path):
    """An empty folder is an unmounted one; the second place is debugfs."""
    (tmp_path / "a").mkdir()
    assert find_tracefs([tmp_path / "a", tmp_path / "none"]) is None
    second = tracefs_with(tmp_path / "b")
    assert find_tracefs([tmp_path / "a", second]) == second
