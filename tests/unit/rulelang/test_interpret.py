# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.common import FrameFlag
from sensor.rulelang.interpret import holds
from tests.unit.events_factory import make_event
from tests.unit.rulelang.conditions import tree


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("fd.name = /etc/shadow", True),
        ("not fd.name = /etc/shadow", True),
        ("fd.name != /etc/shadow", True),
        ("fd.name exists", True),
        ("not fd.name exists", True),
    ],
)
def test_an_unknown_value_passes_in_both_polarities(condition, verdict):
    """What could not be read widens."""
    event = make_event("open", path=b"/shadow", flags=int(FrameFlag.PATH_CUT))
    assert holds(tree(condition), event) == verdict


@pytest.mark.parametrize(
    ("condition", "verdict"), [("fd.sport = 1", False), ("not fd.sport = 1", True), ("fd.sport != 1", False), ("not fd.sport exists", True)]
)
def test_a_missing_value_fails_tests_and_passes_negations(condition, verdict):
    """What is not there is nothing."""
    assert holds(tree(condition), make_event("exec")) == verdict


def test_links_are_followed_by_polarity():
    """The hook's names count where the rule fires, and not in an exception."""
    event = make_event("open", path=b"/real")

    def closures(path):
        return (b"/real",) if path == b"/link" else ()

    assert holds(tree("fd.name = /link"), event, closures)
    assert holds(tree("not fd.name = /link"), event, closures)
