# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.events.around import NOTHING, Account
from sensor.events.decode import decode
from tests.unit.events_factory import make_ancestor, make_event
from tests.unit.frames_factory import make_frame


def test_a_decoded_event_asks_nobody():
    """What a frame does not have is not known: a replay never looks at the machine it runs on."""
    assert decode(make_frame("open")).around is NOTHING


def test_nothing_knows_nothing():
    """Every question has the answer "not known"."""
    event = make_event("open")
    assert NOTHING.image(make_ancestor(1)) is None
    assert NOTHING.user(event, 0) is None
    assert NOTHING.group(event, 0) is None
    assert NOTHING.born_ns(5) is None


def test_no_such_user_is_an_answer():
    """A file without the number is known, and names nobody."""
    assert Account() == (b"", b"", b"")
