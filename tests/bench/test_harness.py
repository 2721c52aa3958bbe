# SPDX-License-Identifier: Apache-2.0
"""The harness's own sums: what a figure means, how two sittings are compared, how counters are read."""

from __future__ import annotations

import math

import pytest

from sensor.core.counters import Snapshot, render
from tests.bench import report
from tests.bench.build import BenchError
from tests.bench.figures import Figure, figures
from tests.bench.latency import Latency
from tests.bench.programs import Runs, between, total_ns
from tests.bench.results import Results
from tests.bench.sensors import losses


def figure(value, **more):
    """Return a figure with a bound of 2 and an aim of 1."""
    return Figure(**{"name": "x", "title": "x", "value": value, "must": 2.0, "way": 1.0, **more})


@pytest.mark.parametrize(
    ("value", "more", "verdict"),
    [
        (0.5, {}, "beyond"),
        (1.5, {}, "met"),
        (2.5, {}, "MISSED"),
        (2.5, {"must": None}, "reported"),
        (math.nan, {}, "not measured"),
        (99.0, {"must": 100.0, "way": 100.0, "is_floor": True}, "MISSED"),
        (100.0, {"must": 100.0, "way": 100.0, "is_floor": True}, "beyond"),
    ],
)
def test_verdicts(value, more, verdict):
    """A verdict follows from value, bound and aim, whichever way is better."""
    assert figure(value, **more).verdict == verdict


def test_other_peoples_acts_are_left_out():
    """A program that others ran a few times more, or that no act ran, does not change what an act costs."""
    before = {1: Runs(name="ours", time_ns=0, count=0), 2: Runs(name="rare", time_ns=0, count=0)}
    after = {1: Runs(name="ours", time_ns=110_000, count=1100), 2: Runs(name="rare", time_ns=9_000, count=30)}
    done = between(before, after, 1000)
    assert set(done) == {"ours"}
    assert total_ns(done) == pytest.approx(100.0)


def test_counters_are_read_as_they_are_rendered():
    """The losses that the sensor prints are the losses that are counted here."""
    lost = {("kernel", "ring_full_common"): 1234, ("sink", "failed"): 2}
    text = render(Snapshot(events={("open", "common"): 5}, findings={"SC-0001": 5}, losses=lost, notes={("workloads", "evicted"): 3}))
    assert losses(text) == {"kernel: ring full common": 1234, "sink: failed": 2}
    assert losses(render(Snapshot(events={}, findings={}, losses={}, notes={("sink", "cut"): 1}))) == {}


def test_only_what_is_worse_beyond_the_noise_has_risen(tmp_path):
    """A reference forgives the noise of either sitting, and what became better."""
    stored = [figure(1.0, name="a", noise=0.1), figure(1.0, name="b", noise=0.5), figure(100.0, name="seen", is_floor=True)]
    report.store(tmp_path / "reference.json", Results(rounds=1, scale=1.0), [*stored, figure(math.nan, name="none")])
    assert report.risen(tmp_path / "reference.json", [figure(0.2, name="a"), figure(1.4, name="b"), figure(100.0, name="seen", is_floor=True)]) == []
    risen = report.risen(tmp_path / "reference.json", [figure(1.2, name="a", title="A"), figure(99.0, name="seen", title="Seen", is_floor=True)])
    assert [line.split(":")[0] for line in risen] == ["A", "Seen"]
    assert report.risen(tmp_path / "none.json", stored) == []


def test_the_manual_keeps_what_is_outside_the_marks(tmp_path):
    """Only the generated block is replaced, and a manual without one is refused."""
    manual = tmp_path / "performance.md"
    manual.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_markdown(manual, report.markdown(Results(rounds=1, scale=1.0, machine={"kernel": "Linux"}), [figure(1.5)]))
    text = manual.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| x | ≤ 2.00 | ≤ 1.00 | 1.50 | met |" in text
    manual.write_text("nothing here\n")
    with pytest.raises(BenchError, match="has no lines"):
        report.write_markdown(manual, "x")


def test_every_part_makes_its_figures():
    """Ratios are to the floor's of the same sitting, programs' of the same slice; parts that were not measured make none."""
    seen = Latency(acts=2, ms=(0.2, 0.4), lost={"kernel: ring full common": 1})
    results = Results(rounds=2, scale=1.0)
    results.program_ns = {"scout": {"open": [300.0, 320.0]}, "floor": {"open": [200.0, 200.0]}}
    results.latency = {"scout": {"idle": seen}, "floor": {"idle": Latency(acts=2, ms=(0.1, 0.1), lost={})}}
    found = {one.name: one for one in figures(results)}
    assert found["program_open"].value == pytest.approx(1.55)
    assert found["program_connect"].verdict == "not measured"
    assert found["latency_idle_p50"].value == pytest.approx(4.0)
    assert found["lost"].value == 1
    assert "rss" not in found
    results.many_ns = {"100": {"open": [100.0, 200.0]}, "1000": {"open": [115.0, 230.0]}}
    results.many_left = {"20": (1, 100), "1000": (5, 100)}
    found = {one.name: one for one in figures(results)}
    assert (found["many_open"].value, found["many_open"].verdict) == (pytest.approx(1.15), "met")
    assert (found["left_20"].verdict, found["left_1000"].verdict) == ("met", "MISSED")
    assert figures(Results(rounds=1, scale=1.0)) == []
