# SPDX-License-Identifier: Apache-2.0
"""Figures for people: a table, the same in Markdown, and what rose since the reference was stored."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from tests.bench.build import BenchError
from tests.bench.results import median

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.figures import Figure
    from tests.bench.results import Results

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
_COLUMNS = ("figure", "must", "way to", "reached", "verdict", "measured")


def number(value: float | None) -> str:
    """Return a value with as many digits as mean something."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0 or abs(value) >= 100:  # three digits
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"  # three digits


def _bound(figure: Figure, value: float | None) -> str:
    if value is None:
        return ""
    return f"{'≥' if figure.is_floor else '≤'} {number(value)}" if value else "0"


def _rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    rows = []
    for figure in figures:
        reached = f"{number(figure.value)} {figure.unit}".strip()
        rows.append((figure.title, _bound(figure, figure.must), _bound(figure, figure.way), reached, figure.verdict, figure.raw))
    return rows


def table(figures: Sequence[Figure]) -> str:
    """Return the table for a terminal."""
    rows = [_COLUMNS, *_rows(figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)


def _markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (columns, ["---"] * len(columns), *rows)]


def stages(results: Results) -> list[tuple[str, ...]]:
    """Return rows of where an open's program time goes: what is opened, nanoseconds, and in units of the floor's open of a plain file."""
    scout, floor = results.stage_ns.get("scout", {}), results.stage_ns.get("floor", {})
    unit = next(iter(floor.values()), float("nan"))
    return [(title, f"{value:.0f}", number(value / unit), f"{floor.get(title, float('nan')):.0f}") for title, value in scout.items()]


def programs(results: Results) -> list[tuple[str, ...]]:
    """Return rows of which program runs how often and how long for each workload."""
    return [
        (load, name, str(runs), f"{mean_ns:.0f}") for load, done in results.programs.get("scout", {}).items() for name, (runs, mean_ns) in sorted(done.items())
    ]


def markdown(results: Results, figures: Sequence[Figure]) -> str:
    """Return the generated block of docs/performance.md, its marks included."""
    lines = [BEGIN, "", "Measured on: " + "; ".join(f"{name} {value}" for name, value in results.machine.items()) + "."]
    lines += [f"{results.rounds} rounds, each workload at {results.scale:g} of its full number of acts.", ""]
    lines += _markdown_table(_COLUMNS, _rows(figures))
    if rows := stages(results):
        lines += [
            "",
            "### An open, by what ends it",
            "",
            *_markdown_table(("what is opened", "program time, ns", "x the floor's plain open", "the floor, ns"), rows),
        ]
    if rows := programs(results):
        lines += ["", "### Which program runs", "", *_markdown_table(("workload", "program", "runs per act", "ns a run"), rows)]
    if results.micro_us:
        lines += ["", "### User space", "", *_markdown_table(("step", "µs"), [(name, number(value)) for name, value in results.micro_us.items()])]
    if held := results.memory_mib.get("scout"):
        parts = [(name, number(median([one[name] for one in held]))) for name in held[0]]
        lines += ["", "### Memory of the agent", "", *_markdown_table(("what", "MiB"), parts)]
    return "\n".join([*lines, "", END])


def write_markdown(path: Path, block: str) -> None:
    """Replace the generated block of a manual. Raises BenchError when it has none."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"{path} has no lines {BEGIN} and {END} to write between")
    path.write_text(before + block + after, encoding="utf-8")


def store(path: Path, results: Results, figures: Sequence[Figure]) -> None:
    """Keep the figures that two sittings may be compared by."""
    kept = {figure.name: {"value": round(figure.value, 4), "noise": round(figure.noise, 4)} for figure in figures if _is_comparable(figure)}
    path.write_text(json.dumps({"machine": results.machine, "rounds": results.rounds, "figures": kept}, indent=1) + "\n", encoding="utf-8")


def risen(path: Path, figures: Sequence[Figure]) -> list[str]:
    """Return what is worse than the stored reference by more than the noise of both, a line each; nothing without a reference."""
    if not path.exists():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))["figures"]
    lines = []
    for figure in figures:
        if not _is_comparable(figure) or figure.name not in stored:
            continue
        before = stored[figure.name]["value"]
        worse = (before - figure.value) if figure.is_floor else (figure.value - before)
        if worse > max(figure.noise, stored[figure.name]["noise"]):
            lines.append(f"{figure.title}: {number(before)} before, now {number(figure.value)} {figure.unit}".rstrip())
    return lines


def _is_comparable(figure: Figure) -> bool:
    return math.isfinite(figure.value) and math.isfinite(figure.noise)
