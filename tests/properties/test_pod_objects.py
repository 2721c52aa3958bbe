# SPDX-License-Identifier: Apache-2.0
"""Whatever the API server sends: nothing raises, and what is kept is bounded and fit to be shown."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sensor.adapters.jsonlist import ListReader
from sensor.core.counters import Counters
from sensor.workloads.images import split_image
from sensor.workloads.podobject import MAX_CONTAINERS, MAX_LABELS, pod_uid, read_pod
from tests.unit.pods_factory import NODE, pod_object

KEYS = st.sampled_from(
    "metadata spec status uid name namespace labels annotations ownerReferences controller kind containers containerStatuses containerID image imageID state "
    "running startedAt lastState terminated nodeName securityContext privileged podIP items".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=20), inner, max_size=5),
    max_leaves=25,
)


@st.composite
def spoiled_pods(draw):
    """A good pod in which a few values, wherever they stand, were replaced by anything."""
    item = pod_object(draw(st.integers(1, 5)))
    for _ in range(draw(st.integers(0, 4))):
        place = item
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                place[key] = draw(JSON)
                break
            place = inner
    return item


@given(item=JSON | spoiled_pods())
def test_whatever_is_read_is_bounded_and_harmless(item):
    """Any JSON gives a pod or none; every text of a pod is printable ASCII of bounded length."""
    pod_uid(item)
    pod = read_pod(item, NODE, Counters())
    if pod is None:
        return
    assert len(pod.labels) <= MAX_LABELS
    assert len(pod.containers) <= 6 * MAX_CONTAINERS
    texts = [pod.uid, pod.namespace, pod.name, pod.service_account, pod.runtime_class, pod.ip, pod.static_hash, pod.replica_set, *(pod.owner or ())]
    texts += [text for pair in pod.labels.items() for text in pair]
    texts += pod.specified
    for identity, container in pod.containers.items():
        texts += [identity, container.name, container.image, container.tag, container.digest]
    for text in texts:
        assert len(text) <= 1_024
        assert text.isascii()
        assert text.isprintable()


@given(reference=JSON | st.from_regex(r"[a-z:/@.]{0,30}", fullmatch=True))
def test_any_reference_of_an_image_has_three_parts(reference):
    """And none of them has what an image's name cannot have."""
    assert not any(set(part) & set(" \n\x1b\"'<>") for part in split_image(reference))


@given(items=st.lists(JSON.filter(lambda one: isinstance(one, dict)), max_size=5), rest=st.dictionaries(KEYS, JSON, max_size=3), step=st.integers(1, 50))
def test_a_list_comes_apart_as_it_was_put_together(items, rest, step):
    """Cut into pieces of any length, the items are those that JSON has."""
    rest.pop("items", None)
    text = json.dumps({**rest, "items": items}).encode()
    reader = ListReader()
    found = [item for at in range(0, len(text), step) for item in reader.feed(text[at : at + step])]
    assert [json.loads(item) for item in found] == items
    assert json.loads(reader.end()) == {**rest, "items": []}


@given(data=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()), step=st.integers(1, 50))
def test_any_bytes_are_a_list_or_refused(data, step):
    """Nothing but ValueError comes out of it."""
    reader = ListReader()
    try:
        for at in range(0, len(data), step):
            reader.feed(data[at : at + step])
        reader.end()
    except ValueError:
        pass
