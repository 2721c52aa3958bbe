# SPDX-License-Identifier: Apache-2.0
"""The live tests on every kernel of the matrix, as it is and with the oldest features, and what 4.14 would say."""

from __future__ import annotations

import pytest

from kernels.check414.check import check_program
from sensor.probes.programs import PROBES, STAGES

FORMS = ("as-is", "oldest")
ABOUT_THE_REST = ("BTF", "own features")  # in a skip's reason


def test_the_kernel_is_the_one_the_matrix_promises(guest):
    """Release, BTF and the transport the sensor would choose are what the matrix says of this kernel."""
    facts = guest.facts()
    assert facts["release"].startswith(f"{guest.kernel.release}.")
    assert facts["btf"] == guest.kernel.btf
    assert facts["features"]["ringbuf"] == (guest.kernel.transport == "ringbuf")


@pytest.mark.parametrize("form", FORMS)
def test_the_live_tests_pass(guest, form):
    """All live tests that ran passed, some ran, and pytest itself ended well; a failure is shown with the guest's own words."""
    outcome = guest.outcome(form)
    assert outcome.failed == {}
    assert outcome.passed
    assert outcome.status == 0, f"pytest ended with {outcome.status} in the guest; see {guest.results / 'console.log'}"


def test_the_oldest_form_skips_nothing_that_runs_as_it_is(guest):
    """A test that passes with the kernel's own features is not skipped without them, unless it says that it is about them or about BTF."""
    passed = {name.replace("[all", "[oldest") for name in guest.outcome("as-is").passed}
    lost = {name: why for name, why in guest.outcome("oldest").skipped.items() if name in passed}
    assert {name: why for name, why in lost.items() if not any(word in why for word in ABOUT_THE_REST)} == {}


def test_the_live_tests_leave_every_program(guest):
    """Every program that the oldest form has was loaded, and its instructions kept (tests/bpf/test_programs.py)."""
    wanted = {f"stage_{stage}" for stage in STAGES}
    wanted |= {entry.function for probe in PROBES for entry in probe.entries if not entry.needs}
    assert wanted - set(guest.programs("oldest")) == set()


def test_4_14_would_take_every_program(guest):
    """In the oldest form no program is too long, loops, or does what 4.14's verifier refuses (a check, not a run on 4.14)."""
    reports = [check_program(name, code) for name, code in guest.programs("oldest").items()]
    assert reports
    assert [str(report) for report in reports if report.problems] == []
