# SPDX-License-Identifier: Apache-2.0
"""The form of an answer: a subject, a verdict, what was found, what is used, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How it stands."""

    OK = "ok"
    """Nothing to do."""
    NOTE = "note"
    """The sensor runs, with less."""
    PROBLEM = "problem"
    """The sensor cannot run, or is blind for a whole event kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One subject."""

    name: str
    """The subject, one or two words; the key in the JSON form."""

    verdict: Verdict
    """How it stands."""

    found: str
    """What is there."""

    uses: str = ""
    """What Scout makes of it; empty when that goes without saying."""

    fix: str = ""
    """What to do about it, a command where one does it; empty when nothing is to be done."""


def ok(name: str, found: str, uses: str = "") -> Check:
    """Return a check with nothing to do."""
    return Check(name=name, verdict=Verdict.OK, found=found, uses=uses)


def note(name: str, found: str, uses: str = "", fix: str = "") -> Check:
    """Return a check that leaves the sensor running with less."""
    return Check(name=name, verdict=Verdict.NOTE, found=found, uses=uses, fix=fix)


def problem(name: str, found: str, uses: str = "", fix: str = "") -> Check:
    """Return a check that keeps the sensor from running."""
    return Check(name=name, verdict=Verdict.PROBLEM, found=found, uses=uses, fix=fix)
