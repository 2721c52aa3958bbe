# SPDX-License-Identifier: Apache-2.0

import io
import json
from datetime import UTC, datetime

import pytest
import structlog

from sensor.core import log
from sensor.core.log import MAX_ITEMS, MAX_VALUE_CHARS, Level, configure, logger

NOON = datetime(2026, 1, 2, 12, 0, 0, 5_000, tzinfo=UTC)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _structlog_as_before():
    yield
    structlog.reset_defaults()


def set_up(stream, **options):
    return configure(stream=stream, now=lambda: NOON, **options)


def entries(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_machine_gets_one_json_object_per_line():
    """Where the stream is no terminal, an entry is one JSON object: time, level, area, sentence, values."""
    stream = io.StringIO()
    set_up(stream)
    logger("probes").info("attached", count=4)
    assert entries(stream) == [{"time": "2026-01-02T12:00:00.005Z", "level": "info", "area": "probes", "event": "attached", "count": 4}]


def test_a_person_gets_one_short_line():
    """On a terminal an entry is one line, coloured by its level."""
    stream = Terminal()
    control = set_up(stream)
    logger("probes").warning("probe left out", probe="connect", reason="no such tracepoint")
    assert control.tail.text() == '12:00:00.005 warning probes: probe left out probe=connect reason="no such tracepoint"\n', "kept without the colour"
    assert stream.getvalue() == '\x1b[33m12:00:00.005 warning probes: probe left out probe=connect reason="no such tracepoint"\x1b[0m\n'


def test_text_without_a_terminal_has_no_colour():
    """Asked for text, a stream that is no terminal gets it plain."""
    stream = io.StringIO()
    set_up(stream, as_json=False)
    logger("app").error("stopped")
    assert stream.getvalue() == "12:00:00.005 error   app: stopped\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_hostile_values_cannot_reach_the_terminal(as_json):
    """Escapes, newlines and broken UTF-8 in names and values come out as printable ASCII."""
    stream = io.StringIO()
    set_up(stream, as_json=as_json)
    logger("x").info("seen", **{"a\x1b[2J": "b\x1b]0;t\x07\nforged entry", "raw": b"\xff\x1b", "deep": [{"k\r": "\u202e"}]})
    assert stream.getvalue().count("\n") == 1
    assert all(character.isprintable() for character in stream.getvalue()[:-1])


def test_a_quote_in_a_value_is_escaped():
    """A value that needs quotes cannot end them itself."""
    stream = io.StringIO()
    set_up(stream, as_json=False)
    logger("x").info("seen", value='a" b=c')
    assert stream.getvalue().endswith('seen value="a\\" b=c"\n')


def test_long_values_are_cut_and_say_so():
    """A value is cut at its limit with the number of characters that are missing; so are lists and deep structures."""
    stream = io.StringIO()
    set_up(stream)
    logger("x").info("seen", text="a" * (MAX_VALUE_CHARS + 7), items=list(range(MAX_ITEMS + 5)), data=b"b" * 100_000)
    entry = entries(stream)[0]
    assert entry["text"] == "a" * MAX_VALUE_CHARS + "… (7 more)"
    assert entry["items"][-1] == "… 5 more"
    assert len(entry["items"]) == MAX_ITEMS + 1
    assert len(entry["data"]) < MAX_VALUE_CHARS + 20


def test_a_value_of_any_type_is_shown():
    """What JSON does not know is shown as its text, however deep it is nested."""
    stream = io.StringIO()
    set_up(stream)
    endless = []
    endless.append(endless)
    logger("x").info("seen", error=OSError(2, "gone"), endless=endless, nothing=None, yes=True, ratio=0.5)
    entry = entries(stream)[0]
    assert entry["error"] == "[Errno 2] gone"
    assert (entry["nothing"], entry["yes"], entry["ratio"]) == (None, True, 0.5)


def test_the_level_changes_while_running():
    """A new level counts at once, also for a logger that was bound before."""
    stream = io.StringIO()
    control = set_up(stream)
    bound = logger("x").bind(probe="open")
    bound.debug("hidden")
    control.level = Level.DEBUG
    bound.debug("shown")
    control.level = Level.ERROR
    bound.warning("hidden again")
    assert [(entry["event"], entry["probe"]) for entry in entries(stream)] == [("shown", "open")]


def test_a_logger_made_before_configure_follows_it():
    """Modules may make their logger when they are built; it writes where configure says later."""
    early = logger("x")
    stream = io.StringIO()
    set_up(stream)
    early.info("seen")
    assert entries(stream)[0]["event"] == "seen"


def test_an_exception_is_logged_with_its_traceback():
    """`exception` is an error entry that ends with what was raised, whatever the level below."""
    stream = io.StringIO()
    set_up(stream, level=Level.ERROR)
    try:
        raise ValueError("bad \x1b[31m value")
    except ValueError:
        logger("x").exception("sink failed", sink="file")
    entry = entries(stream)[0]
    assert (entry["level"], entry["sink"]) == ("error", "file")
    assert entry["exception"].endswith("ValueError: bad \x1b[31m value")


def test_a_traceback_for_people_is_indented_and_escaped():
    """Each line of a traceback stands below its entry, without control characters."""
    stream = io.StringIO()
    set_up(stream, as_json=False)
    try:
        raise ValueError("bad \x1b[31m value")
    except ValueError:
        logger("x").exception("sink failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("x: sink failed")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1] == r"    ValueError: bad \x1b[31m value"


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_is_counted():
    """A full disk or a closed stream loses the line, counts it and raises nothing."""
    control = set_up(Full())
    logger("x").error("lost")
    closed = io.StringIO()
    other = set_up(closed)
    closed.close()
    logger("x").error("lost")
    assert (control.lost_lines, other.lost_lines) == (1, 1)


def test_level_names():
    """A level is named in any case; an unknown name is refused with those there are."""
    assert Level.named("Warning") is log.Level.WARNING
    with pytest.raises(ValueError, match="no log level 'loud'; one of: debug, info, warning, error"):
        Level.named("loud")
