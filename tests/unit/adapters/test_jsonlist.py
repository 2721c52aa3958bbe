# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from sensor.adapters import jsonlist
from sensor.adapters.jsonlist import ListReader


def read(text, step=1 << 20):
    """The items and the rest, fed in pieces of *step* bytes."""
    reader = ListReader()
    items = [item for at in range(0, len(text), step) for item in reader.feed(text[at : at + step])]
    return [json.loads(item) for item in items], json.loads(reader.end())


ODD = {
    "kind": "PodList",
    "note": 'items": [{ \\" }]',
    "deep": {"items": [{"not": "an item"}]},
    "items": [{"a": '}]{["\\'}, {}, {"b": [{"c": {}}], "items": [{"d": 1}]}],
    "metadata": {"resourceVersion": "7", "x": [[1], {"y": []}]},
}


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_items_come_out_whole_however_they_arrive(step):
    """Brackets and quotes in texts, items within items, the version behind the items: cut anywhere, it reads the same."""
    items, rest = read(json.dumps(ODD, indent=1).encode(), step)
    assert items == ODD["items"]
    assert rest == ODD | {"items": []}


def test_a_list_without_items_is_a_list():
    """An empty one, and one whose items are not there."""
    assert read(b'{"kind":"PodList","items":[]}') == ([], {"kind": "PodList", "items": []})
    assert read(b'{"kind":"PodList","items":null}') == ([], {"kind": "PodList", "items": None})


@pytest.mark.parametrize("text", [b"", b'{"items":[{"a":1}', b'{"items":[{"a":1}]', b'{"items":[{"a":"'])
def test_a_list_that_was_cut_off_is_none(text):
    """It has no end, whatever came before."""
    reader = ListReader()
    reader.feed(text)
    with pytest.raises(ValueError, match="no end"):
        reader.end()


@pytest.mark.parametrize("text", [b"}", b'{"items":[]}}', b'{"items":[]}{"items":[]}', b'{"items":[]]]'])
def test_brackets_that_do_not_fit_are_refused(text):
    """More closed than opened, or a second document."""
    with pytest.raises(ValueError, match=r"bracket|follows"):
        ListReader().feed(text)


def test_memory_is_bounded(monkeypatch):
    """An item without an end, a text without one, and too much around the items are refused."""
    monkeypatch.setattr(jsonlist, "MAX_OBJECT_BYTES", 100)
    monkeypatch.setattr(jsonlist, "MAX_REST_BYTES", 100)
    for text in (b'{"items":[{' + b'"a":1,' * 50, b'{"items":[{"a":"' + b"x" * 200, b'{"a":"' + b"x" * 200, b'{"a":"b",' * 30):
        reader = ListReader()
        with pytest.raises(ValueError, match=r"larger|around"):
            reader.feed(text)


def test_nothing_of_what_was_given_is_kept():
    """Ten thousand items later the buffer is as small as before."""
    reader = ListReader()
    reader.feed(b'{"items":[')
    for _ in range(10_000):
        assert len(reader.feed(b'{"a":"bcdefghijkl"},')) == 1
    assert len(reader._buffer) < 100
    assert len(reader._rest) < 100
