# SPDX-License-Identifier: Apache-2.0
"""
What a short sitting can assert: nothing that depends on the wall clock.

The programs' times are the kernel's own account and ratios within one sitting,
steady to a few per cent on a busy machine too; the rest is counted. Latencies,
memory and walls are measured by ``python -m tests.bench``.
"""

from __future__ import annotations

import pytest

from tests.bench import figures, measure

ACTS = 20


@pytest.fixture(scope="module")
def results():
    """Return the measurements of three short rounds and of the latencies' acts."""
    return measure.measure(measure.Plan(parts=("programs", "latency", "rules"), rounds=3, scale=0.1, acts=ACTS))


@pytest.fixture(scope="module")
def by_name(results):
    """Return the figures by name."""
    return {figure.name: figure for figure in figures.figures(results)}


@pytest.mark.parametrize(("name", "most"), [("open", 1.8), ("opens", 1.8), ("connect", 1.5)])
def test_programs_of_unmatched_acts_are_near_the_floor(by_name, name, most):
    """An act that no rule matches costs little more in the kernel than one string comparison."""
    figure = by_name[f"program_{name}"]
    assert figure.value <= most, f"{figure.value:.2f} times the floor's: {figure.raw}"


@pytest.mark.parametrize("name", ["open", "opens", "writes", "connect", "exec"])
def test_programs_of_unmatched_acts_do_not_grow_with_the_rules(by_name, name):
    """A thousand rules cost an act that none of them matches what a hundred do."""
    figure = by_name[f"many_{name}"]
    assert figure.value <= 1.2, f"{figure.value:.2f} times as long: {figure.raw}"


@pytest.mark.parametrize("count", [20, 1000])
def test_few_ordinary_acts_leave_the_kernel(by_name, count):
    """Hardly any act of ordinary work is a candidate of a rule, of few or of many."""
    figure = by_name[f"left_{count}"]
    assert figure.verdict == "met", f"{figure.value:.2f} %: {figure.raw}"


def test_no_program_runs_on_other_calls(results):
    """A call that no probe names runs none of our programs."""
    assert results.programs["scout"]["null"] == {}


def test_both_sensors_ran(results):
    """The measurement itself: each workload ran the program that it is about, of both sensors."""
    for arm, opened, connected in (("scout", "on_open", "on_connect"), ("floor", "floor_open", "floor_connect")):
        assert results.programs[arm]["open"][opened][0] == 1
        assert results.programs[arm]["connect"][connected][0] == 1


@pytest.mark.parametrize("setting", ["idle", "paced", "unpaced", "everywhere"])
def test_every_act_is_seen(results, setting):
    """Whatever else goes on, each act that a rule matches becomes its line."""
    assert results.latency["scout"][setting].seen == ACTS


def test_nothing_is_lost(results):
    """No frame with a candidate is lost, neither beside unmatched acts nor beside the matched ones."""
    assert results.lost == {}
    assert [one.lost for one in results.latency["scout"].values() if one.lost] == []
