# SPDX-License-Identifier: Apache-2.0
"""
The sensor's own log: what it did and what went wrong, never what it found.

Findings are the product and go to sinks; the log is for whoever runs Scout. It
goes to one stream (standard error): JSON lines when a machine reads it, one
short line per entry when a person does. Three promises hold:

* A value is shown harmless: names and paths come from attackers, so bytes and
  control characters are escaped (`sensor.core.escape`), and a value longer than
  ``MAX_VALUE_CHARS`` is cut and says so.
* The level can be changed while the sensor runs (`LogControl.level`), also for
  loggers that exist already.
* Writing never raises: a closed pipe or a full disk costs the line, which is
  counted in `LogControl.lost_lines`, and not the sensor.

Nothing here runs per event. `configure` is called once, by the composition
root; this is the only module that imports structlog.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar, cast

import structlog

from sensor.core.escape import lossless, visible
from sensor.core.logtail import LogTail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

MAX_VALUE_CHARS = 2_000
"""Longest value; a verifier log is reported whole elsewhere, and a line must fit a container runtime's 16 KiB."""

MAX_ITEMS = 32
"""Most members shown of a list or mapping."""

MAX_DEPTH = 4
"""Deepest nesting shown as structure; what is deeper is shown as text."""

_T = TypeVar("_T")
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
_RESET = "\x1b[0m"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")  # ECMA-48: SGR; values' own escapes are no escapes any more when a line is made


class Level(IntEnum):
    """How much is logged; the numbers are those of `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @classmethod
    def named(cls, name: str) -> Level:
        """
        Return the level of that name, in any case.

        Raises:
            ValueError: there is no such level; the message has the names there are.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            raise ValueError(f"no log level {name!r}; one of: {', '.join(level.name.lower() for level in cls)}") from None


class Log(Protocol):
    """
    What modules log with. An entry is a short constant sentence and named values: ``log.warning("rule disabled", rule=rule_id)``.

    Constant, so that entries can be counted and searched; values go into the names, never into the sentence.
    """

    def bind(self, **values: object) -> Log:
        """Return a logger that adds *values* to each entry."""
        ...

    def debug(self, event: str, **values: object) -> None:
        """Log what only a developer of Scout asks for."""
        ...

    def info(self, event: str, **values: object) -> None:
        """Log a change of state: started, loaded, stopped."""
        ...

    def warning(self, event: str, **values: object) -> None:
        """Log what works less well than it should, and why."""
        ...

    def error(self, event: str, **values: object) -> None:
        """Log what does not work, and what to do."""
        ...

    def exception(self, event: str, **values: object) -> None:
        """Log an error with the traceback of the exception being handled."""
        ...


class LogControl:
    """What can be changed or asked while the sensor runs; made by `configure`."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.lost_lines = 0
        self.tail = LogTail()
        """The last lines, whoever reads the stream or not."""

    def passes(self, _logger: object, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Let an entry through when its level is high enough (a structlog processor)."""
        if getattr(Level, method.upper(), Level.ERROR) < self.level:  # "exception" and "critical" are errors
            raise structlog.DropEvent
        return entry


class _Lines:
    """The stream, with a method per level as structlog wants it; each writes one line and never raises."""

    def __init__(self, stream: TextIO, control: LogControl) -> None:
        self._stream = stream
        self._control = control

    def msg(self, line: str) -> None:
        self._control.tail.add(_COLOUR.sub("", line))
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._control.lost_lines += 1

    debug = info = warning = error = critical = msg


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


def configure(*, level: Level = Level.INFO, stream: TextIO | None = None, as_json: bool | None = None, now: Callable[[], datetime] = _utc_now) -> LogControl:
    """
    Set up logging for this process.

    Args:
        level:
            The lowest level that is written.
        stream:
            Where lines go; by default `sys.stderr`.
        as_json:
            JSON lines or text; by default JSON unless the stream is a terminal.
        now:
            The wall clock, for the entries' time.
    """
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    control = LogControl(level)
    render = _json_line if (not terminal if as_json is None else as_json) else _TextLine(colour=terminal)

    def stamp(_logger: object, method: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
        time = now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": time, "level": "error" if method == "exception" else method, **entry}

    structlog.configure(
        processors=[control.passes, stamp, structlog.processors.format_exc_info, _plain, render],
        wrapper_class=structlog.make_filtering_bound_logger(Level.DEBUG),
        logger_factory=lambda *_names: _Lines(out, control),
        cache_logger_on_first_use=False,  # so that a logger made before this call follows it
    )
    return control


def logger(area: str) -> Log:
    """Return the logger of a part of the sensor; *area* is one word, as in commit messages (``"probes"``)."""
    return cast("Log", structlog.get_logger(area=area))


def _plain(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Make every value one that JSON has, bounded (a structlog processor)."""
    exception = entry.pop("exception", None)
    plain: dict[str, Any] = {key: _value(value, 0) for key, value in entry.items()}
    if exception is not None:
        plain["exception"] = exception[-MAX_VALUE_CHARS:]  # a traceback's end says what happened
    return plain


def _value(value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _cut(lossless(bytes(value[: MAX_VALUE_CHARS + 1])))
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {_cut(str(key)): _value(item, depth + 1) for key, item in _first(value.items())}
    if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        more = [f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else []
        return [_value(item, depth + 1) for item in _first(value)] + more
    return _cut(str(value))


def _first(items: Iterable[_T]) -> list[_T]:
    return list(islice(items, MAX_ITEMS))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}… ({len(text) - MAX_VALUE_CHARS} more)"


def _json_line(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
    """Render an entry for machines: ASCII, one line (a structlog processor)."""
    return json.dumps(entry, separators=(",", ":"))


class _TextLine:
    """Render an entry for people: time of day, level, area, sentence, values (a structlog processor)."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
        time, level, event, area = (visible(str(entry.pop(key, ""))) for key in ("time", "level", "event", "area"))
        exception = entry.pop("exception", "")
        values = "".join(f" {visible(key)}={_shown(value)}" for key, value in entry.items())
        line = f"{time[11:23]} {level:7} {area + ': ' if area else ''}{event}{values}"
        if self._colour and level in _COLOURS:
            line = f"{_COLOURS[level]}{line}{_RESET}"
        return "\n".join((line, *(f"    {visible(row)}" for row in exception.splitlines())))


def _shown(value: object) -> str:
    """Show a value so that its end can be seen: quoted when it is empty or has a space, a quote or an equals sign."""
    if not isinstance(value, str):
        return visible(json.dumps(value, ensure_ascii=False))
    text = visible(value)
    return '"' + text.replace('"', '\\"') + '"' if not text or set(text) & set(" =\"'") else text
