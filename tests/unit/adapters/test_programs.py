# SPDX-License-Identifier: Apache-2.0
"""Loading and attaching without BCC: what goes wrong is a ProbeError with its reason."""

from __future__ import annotations

import pytest

from sensor.adapters import programs
from sensor.core.errors import ProbeError


def test_a_program_the_kernel_refuses():
    """Instructions that are none are refused, by the verifier or for lack of a privilege."""
    with pytest.raises(ProbeError, match="refused program nonsense"):
        programs.load("nonsense", b"\xff" * 16, raw=False)


def test_a_tracepoint_that_is_not_there(tmp_path):
    """Its name is told."""
    with pytest.raises(ProbeError, match="no_such:event"):
        programs.attach_tracepoint(-1, tmp_path, "no_such", "event")


def test_a_tracepoint_with_an_odd_id(tmp_path):
    """Tracefs is read as input."""
    place = tmp_path / "events" / "some" / "event"
    place.mkdir(parents=True)
    (place / "id").write_text("not a number\n")
    with pytest.raises(ProbeError, match="some:event"):
        programs.attach_tracepoint(-1, tmp_path, "some", "event")


def test_a_raw_tracepoint_without_a_program():
    """A descriptor that is none is refused."""
    with pytest.raises(ProbeError, match="raw sched_process_exec"):
        programs.attach_raw(-1, "sched_process_exec")
