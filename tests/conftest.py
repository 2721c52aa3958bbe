# SPDX-License-Identifier: Apache-2.0
"""
What every test session shares: groups, hypothesis profiles, the tally.

A test's folder says what it needs, and its marker follows from the folder, so
that nobody forgets one. ``ci/test`` names the group it runs; a group in which
no test ran to its end has failed, because a suite that skips itself proves
nothing.

Hypothesis profiles: ``dev`` is quick and tries something new each time; ``ci``
tries more and the same each time. ``HYPOTHESIS_PROFILE`` chooses; with ``CI``
set, ``ci`` is the default.
"""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).resolve().parent
MARKED_FOLDERS = ("bpf", "kernel", "rules", "cluster", "bench")

hypothesis.settings.register_profile("dev", max_examples=60, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True, print_blob=True)


def pytest_addoption(parser):
    """Add what ci/test passes."""
    group = parser.getgroup("scout")
    group.addoption("--group", default="", help="the group that is run: fail when no test of it ran")
    group.addoption("--tally", default="", help="append one line to this file: group, passed, failed, skipped")


def pytest_configure(config):
    """Choose the hypothesis profile; ``--hypothesis-profile`` has the last word."""
    if not config.getoption("--hypothesis-profile", default=None):
        hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_collection_modifyitems(items):
    """Give each test the marker of its folder."""
    for item in items:
        if item.path.is_relative_to(HERE) and (folder := item.path.relative_to(HERE).parts[0]) in MARKED_FOLDERS:
            item.add_marker(folder)


def pytest_sessionfinish(session):
    """Keep the tally, and fail a named group in which nothing ran."""
    group, tally = session.config.getoption("--group"), session.config.getoption("--tally")
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    passed, failed, skipped = (
        sum(len(reporter.stats.get(key, ())) for key in keys) for keys in (("passed", "xpassed"), ("failed", "error"), ("skipped", "xfailed"))
    )
    if tally:
        with Path(tally).open("a", encoding="utf-8") as file:
            file.write(f"{group or '-'} {passed} {failed} {skipped}\n")
    if group and passed + failed == 0 and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"group {group}: no test ran", red=True)
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
