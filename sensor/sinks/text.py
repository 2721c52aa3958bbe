# SPDX-License-Identifier: Apache-2.0
"""
Findings for people: what happened, where, who did it, in three short lines.

    09:30:00.123 WARNING   SC-0001 Sensitive file read  T1003.008
        opened /etc/shadow (O_RDONLY)
        cat[4711] by bash[4000] · cat /etc/shadow · uid 0 · host

Nothing that a process chose reaches the terminal unescaped (`core.escape`). No
line is fitted to a width: a terminal wraps, a pipe does not care. Colour only
when the caller says so; `wants_colour` knows what people expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sensor.core.escape import visible
from sensor.sinks.output import LineWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sensor.core.counters import Counters

SHOWN_CHARACTERS = 400
"""Most of one value (a command line, a path) that is shown; the JSON form has all of it."""

_SHOWN_PARENTS = 3
_SHOWN_CONTAINER_CHARACTERS = 12  # as container tools abbreviate ids
_CLOCK_PART = slice(11, 23)  # HH:MM:SS.mmm of RFC 3339

# ECMA-48 SGR
_BOLD, _DIM, _RED, _YELLOW, _CYAN, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[0m"
_SEVERITY_COLOURS = {
    "emergency": f"{_BOLD}{_RED}",
    "alert": f"{_BOLD}{_RED}",
    "critical": f"{_BOLD}{_RED}",
    "error": _RED,
    "warning": _YELLOW,
    "notice": _CYAN,
}


def wants_colour(*, is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """
    Tell whether output should be coloured.

    Source:
        no-color.org: NO_COLOR, present and not empty, switches colour off; TERM=dumb is terminfo's terminal without escapes.
    """
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


class TextSink:
    """Writes findings to *fd* for people; see `sensor.core.ports.Sink`."""

    name = "text"

    def __init__(self, fd: int, counters: Counters, *, colour: bool) -> None:
        self._writer = LineWriter(fd, counters)
        self._colour = colour

    @property
    def failure(self) -> str:
        """Why nothing is written any more; empty while all is well."""
        return self._writer.failure

    def write(self, finding: Mapping[str, object]) -> bool:
        """See `Sink`."""
        return self._writer.write(render(finding, colour=self._colour).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """See `Sink`."""
        self._writer.close()


def render(finding: Mapping[str, Any], *, colour: bool) -> str:
    """Return *finding* as a person reads it: three lines, each ended; more only for what was done beyond logging."""
    bold, dim, reset = (_BOLD, _DIM, _RESET) if colour else ("", "", "")
    severity: str = finding["severity"]
    tone = _SEVERITY_COLOURS.get(severity, "") if colour else ""
    rule = finding["rule"]
    again = f" ({finding['aggregated']:,} more of these)" if finding["repeats"] else ""
    when = finding["time"][_CLOCK_PART]
    title = rule["name"] if rule["id"] == rule["name"] else f"{rule['id']} {rule['name']}"
    techniques = " ".join(finding["attack"])
    lines = [
        f"{dim}{when}{reset} {tone}{severity.upper():<9}{reset if tone else ''} {bold}{_safe(title)}{reset}{again}  {dim}{_safe(techniques)}{reset}",
        f"    {_act(finding['act'])}{_marks(finding)}",
        f"    {dim}{_who(finding)}{reset}",
    ]
    mitigation = finding["mitigation"]
    if mitigation["asked"] != "log":
        done = f"done: {mitigation['done'] or 'nothing'}"
        lines.append(f"    asked: {mitigation['asked']}, {done}{' (' + _safe(mitigation['reason']) + ')' if mitigation['reason'] else ''}")
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _safe(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


def _act(act: Mapping[str, Any]) -> str:
    kind = act["kind"]
    if kind == "flood":
        return f"flood: {act['dropped']:,} acts dropped so far, the last an {act['flooded_kind']} ({act['flooded_lane']} lane)"
    failed = f" failed: {act['errno']}" if act["result"] == "failed" else ""
    if kind == "connect":
        return _connect(act) + failed
    verb = {"open": "opened", "exec": "executed"}[kind] if not failed else f"{kind} of"
    path = act["path"] if act["path"] is not None else act["asked"]
    asked = f" (asked: {_safe(act['asked'])})" if act["asked"] not in {path, ""} else ""
    flags = f" ({' '.join(act['flags'])})" if kind == "open" else ""
    interpreter = f" (interpreter: {_safe(act['interpreter'])})" if act.get("interpreter") else ""
    return f"{verb} {_safe(path)}{asked}{flags}{interpreter}{failed}"


def _connect(act: Mapping[str, Any]) -> str:
    verb = "connected to" if act["result"] == "succeeded" else "connect to"
    peer = cast("Mapping[str, Any] | None", act["peer"])
    if peer is None:
        return f"{verb} unix {'@' if act['abstract'] else ''}{_safe(act['path'] or '')}"
    address = f"[{peer['address']}]" if ":" in peer["address"] else peer["address"]
    return f"{verb} {address}:{peer['port']} ({act['protocol']})"


def _marks(finding: Mapping[str, Any]) -> str:
    cut = f" [cut: {', '.join(finding['cut'])}]" if finding["cut"] else ""
    return f"{' [late]' if finding['late'] else ''}{cut}"


def _who(finding: Mapping[str, Any]) -> str:
    process = finding["process"]
    who = f"{_safe(process['name'])}[{process['pid']}]"
    parents = " < ".join(f"{_safe(parent['name'])}[{parent['pid']}]" for parent in finding["parents"][:_SHOWN_PARENTS])
    by = f" by {parents}" if parents else ""
    user = f"uid {process['uid']}" + (f" (effective {process['euid']})" if process["euid"] != process["uid"] else "")
    return " · ".join(part for part in (f"{who}{by}", _safe(process["cmdline"]), user, _workload(finding)) if part)


def _workload(finding: Mapping[str, Any]) -> str:
    container, pod = finding["container"], finding["pod"]
    if finding["scope"] == "host":
        return "host"
    if container is None:
        return "unknown workload"
    name = f"container {_safe(container['name'] or container['id'][:_SHOWN_CONTAINER_CHARACTERS])}"
    if pod is None:
        return name
    known = "/".join(part for part in (finding["namespace"], pod["name"]) if part)
    return f"pod {_safe(known or pod['uid'])}, {name}"
