# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.doctor.verdicts import Verdict, note, ok, problem


def test_the_three_verdicts():
    """Each helper gives its verdict and keeps what it was told."""
    assert [make("x", "y").verdict for make in (ok, note, problem)] == [Verdict.OK, Verdict.NOTE, Verdict.PROBLEM]
    assert (problem("x", "y", "z", "w").uses, problem("x", "y", "z", "w").fix) == ("z", "w")
