# SPDX-License-Identifier: Apache-2.0
"""libbpf is stood in for by a library that answers as told; the real one is used by every live test."""

from __future__ import annotations

import ctypes
import errno
from pathlib import Path

import pytest

from sensor.adapters import libbpf


class Library:
    """Remembers calls; answers by name, with an errno for negative ones."""

    def __init__(self, **answers):
        self.answers = answers
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, *arguments))
            answer = self.answers.get(name, 0)
            answer = answer(*arguments) if callable(answer) else answer
            if isinstance(answer, int) and answer < 0:
                ctypes.set_errno(-answer)
                return -1
            return answer

        return call


@pytest.fixture
def library(monkeypatch):
    """Put a library in libbpf's place."""

    def put(**answers):
        made = Library(**answers)
        monkeypatch.setattr(libbpf, "library", lambda: made)
        return made

    return put


@pytest.mark.parametrize("code", [errno.E2BIG, errno.EPERM, errno.ENOMEM])
def test_an_update_that_fails_is_an_oserror_with_its_errno(library, code):
    """Whoever writes a table can tell "full" from "not allowed"."""
    library(bpf_map_update_elem=-code)
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the errno is what is asserted
        libbpf.map_update(3, b"k", b"v")
    assert caught.value.errno == code


def test_an_update_passes_key_and_value(library):
    """As bytes, with no flags."""
    made = library()
    libbpf.map_update(3, b"key", b"value")
    assert made.calls == [("bpf_map_update_elem", 3, b"key", b"value", 0)]


def test_a_lookup_gives_the_bytes_or_none(library):
    """A missing entry is no error."""

    def fill(_fd, _key, buffer):
        ctypes.memmove(buffer, b"\1\2\3\4", 4)
        return 0

    library(bpf_map_lookup_elem=fill)
    assert libbpf.map_lookup(3, b"k", 4) == b"\1\2\3\4"
    library(bpf_map_lookup_elem=-errno.ENOENT)
    assert libbpf.map_lookup(3, b"k", 4) is None


def test_deleting_tells_whether_it_was_there(library):
    """No error either way."""
    library()
    assert libbpf.map_delete(3, b"k") is True
    library(bpf_map_delete_elem=-errno.ENOENT)
    assert libbpf.map_delete(3, b"k") is False


def test_keys_are_walked_to_the_end_or_the_limit(library):
    """A map that changes meanwhile can go round in circles: the limit ends it."""
    keys = [b"aa", b"bb"]

    def following(_fd, key, buffer):
        at = keys.index(key) + 1 if key else 0
        if at == len(keys):
            return -errno.ENOENT
        ctypes.memmove(buffer, keys[at], 2)
        return 0

    library(bpf_map_get_next_key=following)
    assert list(libbpf.map_keys(3, 2)) == keys
    library(bpf_map_get_next_key=0)
    assert len(list(libbpf.map_keys(3, 2, limit=5))) == 5


@pytest.mark.parametrize(("text", "count"), [("0\n", 1), ("0-1\n", 2), ("0-3,8\n", 5), ("0-3,8-11\n", 8)])
def test_possible_cpus_are_counted(monkeypatch, text, count):
    """A per-CPU value has a place for every possible CPU and no gaps where numbers are left out."""
    libbpf.possible_cpus.cache_clear()
    monkeypatch.setattr(Path, "read_text", lambda _self: text)
    assert libbpf.possible_cpus() == count
    libbpf.possible_cpus.cache_clear()


@pytest.mark.parametrize("name", ["ring", "perf"])
def test_buffers_that_cannot_be_mapped_are_an_oserror(library, name):
    """A NULL from libbpf."""
    library(ring_buffer__new=None, perf_buffer__new=None)
    make = {
        "ring": lambda: libbpf.RingBuffers((3, 4), lambda _record: 0),
        "perf": lambda: libbpf.PerfBuffers((3,), lambda _record: None, lambda _count: None, 8),
    }[name]
    with pytest.raises(OSError, match="cannot be"):
        make()


def test_a_ring_s_records_are_copied_and_the_receiver_can_have_enough(library):
    """The callback gives the bytes, and a negative number when the receiver has enough."""
    made = library(ring_buffer__new=99)
    received = []

    def receive(record):
        received.append(record)
        return len(received) == 2

    ring = libbpf.RingBuffers((3, 4), receive)
    assert ring.epoll_fds == (3, 4)
    assert [call[:3] for call in made.calls if call[0] == "ring_buffer__add"] == [("ring_buffer__add", 99, 4)]
    data = ctypes.create_string_buffer(b"record", 6)
    answers = [ring._callback(None, ctypes.addressof(data), 6) for _ in range(2)]
    assert received == [b"record", b"record"]
    assert answers[0] == 0
    assert answers[1] < 0
    ring.close()
    ring.close()
    assert [call[0] for call in made.calls].count("ring_buffer__free") == 1


def test_a_perf_buffers_losses_are_told(library):
    """How many records the kernel had no room for."""
    library(perf_buffer__new=99, perf_buffer__epoll_fd=5)
    received, lost = [], []
    perf = libbpf.PerfBuffers((3, 4), received.append, lost.append, 8)
    data = ctypes.create_string_buffer(b"record", 6)
    sample, missed = perf._callbacks
    sample(None, 0, ctypes.addressof(data), 6)
    missed(None, 1, 17)
    assert (received, lost, perf.epoll_fds) == ([b"record"], [17], (5, 5))
    perf.close()


def test_making_a_map_gives_its_descriptor(library):
    """Type, name, sizes and flags reach the kernel."""
    made = library(bpf_map_create=12)
    assert libbpf.map_create(libbpf.MAP_TYPE_HASH, "names", key_bytes=4, value_bytes=32, entries=100, flags=1) == 12
    assert made.calls[0][:6] == ("bpf_map_create", libbpf.MAP_TYPE_HASH, b"names", 4, 32, 100)
    library(bpf_map_create=-errno.EPERM)
    with pytest.raises(PermissionError):
        libbpf.map_create(libbpf.MAP_TYPE_HASH, "names", key_bytes=4, value_bytes=32, entries=100)
