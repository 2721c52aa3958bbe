# SPDX-License-Identifier: Apache-2.0
"""
From measurements to figures: each a ratio or a bound, with what it must be.

Absolute times are one machine's. What is kept and compared are ratios to the
floor, or to the same act without a sensor, taken in one sitting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.latency import SETTINGS
from tests.bench.results import median

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.results import Results

_STEADY = 0.05
"""Relative noise of program times between two sittings."""
_WALL = 0.25
"""Relative noise of what is timed by the wall, latencies above all."""
_WALLS = {"open": "open and close", "opens": "open and close of look-alikes", "connect": "a refused connect", "fork": "fork and exec", "null": "getppid"}

_MANY = {
    "open": "unmatched open", "opens": "unmatched open of look-alikes", "writes": "unmatched open for writing", "connect": "unmatched connect",
    "exec": "unmatched exec",
}  # fmt: skip
MOST_LEFT = {20: 0.02, 1000: 0.03}
"""Rules of `tests.bench.corpus` → the largest share of ordinary acts that may leave the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the table."""

    name: str
    title: str
    value: float
    unit: str = ""
    must: float | None = None
    """What it must not exceed (fall short of, for `is_floor`); None: reported only."""
    way: float | None = None
    """What the design aims at."""
    is_floor: bool = False
    noise: float = 0.0
    """How far two sittings may differ without a cause, in the figure's unit."""
    raw: str = ""
    """The measured values behind it."""

    @property
    def verdict(self) -> str:
        """What came of it: ``met``, ``beyond`` (the aim is met too), ``MISSED``, ``reported``, ``not measured``."""
        if math.isnan(self.value):
            return "not measured"
        if self.must is None:
            return "reported"
        sign = -1 if self.is_floor else 1
        if sign * self.value > sign * self.must:
            return "MISSED"
        return "beyond" if self.way is not None and sign * self.value <= sign * self.way else "met"


def spread(values: Sequence[float]) -> float:
    """Return twice the median distance from the median: three standard deviations of a median of some rounds, roughly."""
    middle = median(values)
    return 2 * median([abs(value - middle) for value in values]) if values else 0.0


def ratio(values: Sequence[float], to: Sequence[float]) -> float:
    """Return the ratio of two medians."""
    below = median(to)
    return median(values) / below if below else float("nan")


def figures(results: Results) -> list[Figure]:
    """Return every figure that the results have, in the order of the table."""
    return [*_programs(results), *_wall(results), *_cpu(results), *_latency(results), *_life(results), *_many(results), *_micro(results)]


def _programs(results: Results) -> Iterator[Figure]:
    if not results.program_ns:
        return
    scout, floor = results.program_ns.get("scout", {}), results.program_ns.get("floor", {})
    for name, base, title, must, way in (
        ("open", "open", "programs' time per unmatched open, to the floor's", 1.8, 1.2),
        ("opens", "opens", "the same over sixteen files that look alike", 1.8, 1.2),
        ("connect", "open", "programs' time per unmatched connect, to the floor's open", 1.5, 1.0),
        ("fork", "fork", "programs' time per fork, exec and exit, to the floor's", None, None),
    ):
        pairs = [ours / least for ours, least in zip(scout.get(name, []), floor.get(base, []), strict=False) if least]
        value = median(pairs)
        yield Figure(
            name=f"program_{name}", title=title, value=value, unit="x", must=must, way=way, noise=_STEADY * value,
            raw=f"{median(scout.get(name, [])):.0f} ns to {median(floor.get(base, [])):.0f}",
        )  # fmt: skip
    runs = sum(runs for runs, _ in results.programs.get("scout", {}).get("null", {}).values())
    yield Figure(name="program_null", title="programs of ours that run on a call no probe names", value=runs, must=0, way=0, raw="getppid")


def _wall(results: Results) -> Iterator[Figure]:
    off = results.wall_ns.get("off", {})
    if set(off) != set(_WALLS):  # only what another part needed
        return
    for load, title in _WALLS.items():
        scout, floor = results.wall_ns.get("scout", {}).get(load, []), results.wall_ns.get("floor", {}).get(load, [])
        value = ratio(scout, off[load])
        yield Figure(
            name=f"wall_{load}", title=f"{title} by the wall, to none watching (the floor: {ratio(floor, off[load]):.2f})", value=value, unit="x",
            noise=max(_WALL / 2 * value, 2 * spread(off[load]) / median(off[load])),
            raw=f"{median(off[load]):.0f} to {median(scout):.0f} ns, floor {median(floor):.0f}",
        )  # fmt: skip
    for load in ("open", "opens", "connect"):
        scout, floor = results.added_ns("scout", load), results.added_ns("floor", load)
        yield Figure(
            name=f"added_{load}", title=f"added to {_WALLS[load]} by the wall, to what the floor adds", value=ratio(scout, floor), unit="x",
            noise=float("inf"), raw=f"{median(scout):.0f} ns to {median(floor):.0f}",
        )  # fmt: skip


def _cpu(results: Results) -> Iterator[Figure]:
    if not results.paced_share:
        return
    scout, floor = results.paced_share.get("scout", {}).get("opens", []), results.paced_share.get("floor", {}).get("opens", [])
    yield Figure(
        name="cpu_paced", title="the agent's CPU beside 100,000 unmatched opens/s, less the floor's", value=max(0.0, median(scout) - median(floor)),
        unit="% of a core", must=0.1, way=0.0, noise=max(0.05, spread(scout)), raw=f"{median(scout):.3f} %, floor {median(floor):.3f} %",
    )  # fmt: skip
    one_open = results.wall_ns.get("off", {}).get("open", [])
    for arm, title, must in (("scout", "the agent's CPU per fork and exec, in opens without a sensor", 45.0), ("outside", "the same, host out of scope", 1.0)):
        used = results.cpu_ns.get(arm, {}).get("fork", [])
        value = ratio(used, one_open)
        yield Figure(
            name=f"cpu_fork_{arm}", title=title, value=value, unit="opens", must=must, way=must / 2, noise=max(0.3, _WALL * value),
            raw=f"{median(used):.0f} ns, an open {median(one_open):.0f}",
        )  # fmt: skip


def _latency(results: Results) -> Iterator[Figure]:
    scout, floor = results.latency.get("scout", {}), results.latency.get("floor", {})
    lost = 0
    for setting in SETTINGS:
        if setting.name not in scout or setting.name not in floor:
            continue
        ours, least = scout[setting.name], floor[setting.name]
        lost += sum(ours.lost.values())
        is_calm = setting.name in {"idle", "paced"}
        yield Figure(
            name=f"seen_{setting.name}", title=f"acts seen {setting.title}", value=100.0 * ours.seen / ours.acts, unit="%", must=100.0, way=100.0,
            is_floor=True, raw=f"{ours.seen} of {ours.acts}",
        )  # fmt: skip
        for name, share, must, way in (("p50", 0.5, 3.0 if is_calm else None, 2.0), ("p99", 0.99, 4.0 if is_calm else 5.0, 2.0 if is_calm else None)):
            value = ours.percentile_ms(share) / least.percentile_ms(share)
            yield Figure(
                name=f"latency_{setting.name}_{name}", title=f"act to line, {name}, {setting.title}, to the floor's", value=value, unit="x", must=must, way=way,
                noise=(_WALL if name == "p50" else 4 * _WALL) * value, raw=f"{ours.percentile_ms(share):.2f} ms to {least.percentile_ms(share):.2f}",
            )  # fmt: skip
    if scout:
        reasons = ", ".join(f"{reason} {count}" for one in scout.values() for reason, count in one.lost.items())
        yield Figure(name="lost", title="frames lost meanwhile, by its own counters", value=lost, must=0, way=0, raw=reasons)


def _life(results: Results) -> Iterator[Figure]:
    if held := results.memory_mib.get("scout"):
        rss, pss = [one["rss"] for one in held], [one["pss"] for one in held]
        raw = f"proportional share {median(pss):.1f}"
        yield Figure(name="rss", title="resident memory of the agent", value=median(rss), unit="MiB", must=60, way=40, noise=2.0, raw=raw)
    floor = results.ready_s.get("floor", [])
    for arm, title, must in (("scout", "start to the first act seen, probes prepared, to the floor's", 3.0), ("cold", "the same, compiling them", None)):
        if (starts := results.ready_s.get(arm, [])) and floor:
            value = ratio(starts, floor)
            yield Figure(
                name="ready" if arm == "scout" else f"ready_{arm}", title=title, value=value, unit="x", must=must, way=must and must / 2, noise=_WALL * value,
                raw=f"{median(starts):.2f} s to {median(floor):.2f}",
            )  # fmt: skip


def _many(results: Results) -> Iterator[Figure]:
    few, many = results.many_ns.get("100", {}), results.many_ns.get("1000", {})
    for name, title in _MANY.items():
        if name in few and name in many:
            value = median([more / less for more, less in zip(many[name], few[name], strict=True) if less])
            yield Figure(
                name=f"many_{name}", title=f"programs' time per {title}, 1,000 rules to 100", value=value, unit="x", must=1.2, way=1.1, noise=_STEADY * value,
                raw=f"{median(many[name]):.0f} ns to {median(few[name]):.0f}",
            )  # fmt: skip
    for count, most in MOST_LEFT.items():
        if str(count) in results.many_left:
            left, acts = results.many_left[str(count)]
            yield Figure(
                name=f"left_{count}", title=f"ordinary acts that leave the kernel, {count:,} rules", value=100 * left / acts, unit="%", must=100 * most,
                noise=0.5, raw=f"{left} of {acts}",
            )  # fmt: skip


def _micro(results: Results) -> Iterator[Figure]:
    if "replay, every rule a candidate" in results.micro_us:
        value = results.micro_us["replay, every rule a candidate"]
        yield Figure(name="replay", title="decode and match of a frame, every default rule a candidate", value=value, unit="µs", must=5.0, noise=_WALL * value)
