# SPDX-License-Identifier: Apache-2.0
"""Changing the tables under load: nothing is missed, and each frame says which tables it was judged by."""

from __future__ import annotations

import os

from sensor.events.dimensions import Dimension
from tests.bpf.live import fewer, is_, not_, opened

REST_US = 400


def test_no_open_is_missed_while_tables_change(side, driver, name, tmp_path):
    """Another process opens a watched file all the time; every open is told, by the bits of one generation or the next, never a mixture."""
    path = tmp_path.resolve() / name
    path.write_text("")
    watched, other = opened(name), opened(f"o{name}")
    forms = ((watched, other, opened(name, is_(Dimension.COMM, b"act"))), (other, other, other, watched, opened(name, not_(Dimension.COMM, b"act"))))
    masks = (0b101, 0b1000)
    side.watch(*forms[0])
    generations = [side.installed.number]
    with driver.waiting("wait", "opens-until", path, REST_US) as process:

        def flips() -> None:
            process.go()
            for number in range(1, fewer(25)):
                side.watch(*forms[number % 2])
                generations.append(side.installed.number)

        events = side.during(flips, kind="open")
        words = process.finish()
        events += side.drain()
    events = [event for event in events if event.kind_name == "open" and event.tgid == process.process.pid]
    assert len(events) == int(words["opens"])
    assert {event.path for event in events} == {os.fsencode(path)}
    assert len({event.ts_ns for event in events}) == len(events)
    seen = [event.generation for event in sorted(events, key=lambda event: event.ts_ns)]
    assert seen == sorted(seen)
    assert set(seen) <= set(generations)
    assert len(set(seen)) > len(generations) / 2
    wrong = [event for event in events if event.candidates != masks[(event.generation - generations[0]) % 2]]
    assert [(event.generation, event.candidates) for event in wrong] == []


def test_tables_that_the_kernel_refuses_leave_the_old_ones(side, driver, name, tmp_path, monkeypatch):
    """An entry that cannot be written aborts the change: the clauses before stay live, under their number."""
    from sensor.adapters import libbpf
    from sensor.core.errors import TableError

    (tmp_path / name).write_text("")
    side.watch(opened(name))
    installed, update, calls = side.installed, libbpf.map_update, []

    def refuse(fd: int, key: bytes, value: bytes) -> None:
        calls.append(fd)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        update(fd, key, value)

    with monkeypatch.context() as patch:
        patch.setattr(libbpf, "map_update", refuse)
        try:
            side.watch(opened("nothing"))
        except TableError as error:
            refused = str(error)
    assert "No space left" in refused
    event = side.one(lambda: driver("open", tmp_path / name, 0, 0), "open")
    assert event.generation == installed.number == side.installed.number
    side.watch(opened(name))
    assert side.one(lambda: driver("open", tmp_path / name, 0, 0), "open").generation == side.installed.number > installed.number
