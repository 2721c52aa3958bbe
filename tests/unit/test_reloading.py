# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import select
import threading

import pytest

from sensor.reloading import Reloader


@pytest.fixture
def loads():
    """Loads that wait for a word, and what they give: a value, or an error to raise."""
    gate, results = threading.Semaphore(0), []

    def load():
        gate.acquire()
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    reloader = Reloader(load)
    yield reloader, gate, results
    reloader.close()


def is_ready(reloader) -> bool:
    """Whether the loop would be woken."""
    return bool(select.select([reloader.fd], [], [], 0)[0])


def test_the_loop_is_woken_when_it_is_done(loads):
    """Not before, and once."""
    reloader, gate, results = loads
    results.append(("rules", "policy"))
    reloader.start()
    assert not is_ready(reloader)
    gate.release()
    assert reloader.take().loaded == ("rules", "policy")
    assert not is_ready(reloader)


def test_what_it_raises_is_handed_over(loads):
    """Whatever it is; the thread does not die of it in silence."""
    reloader, gate, results = loads
    results.append(MemoryError("much"))
    reloader.start()
    gate.release()
    outcome = reloader.take()
    assert outcome.loaded is None
    assert isinstance(outcome.error, MemoryError)


def test_asked_again_meanwhile_it_loads_once_more(loads):
    """However often it was asked: what was read first may be older than the last change."""
    reloader, gate, results = loads
    results += [("old", ""), ("new", "")]
    for _ in range(3):
        reloader.start()
    gate.release()
    assert reloader.take().loaded == ("old", "")
    gate.release()
    assert reloader.take().loaded == ("new", "")
    assert results == []
    reloader.start()
    results.append(("third", ""))
    gate.release()
    assert reloader.take().loaded == ("third", "")
