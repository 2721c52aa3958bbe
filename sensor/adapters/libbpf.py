# SPDX-License-Identifier: Apache-2.0
"""
The part of libbpf the agent runs on: maps by descriptor, ring and perf buffers.

Debian's libbpf 1.1 or newer, through ctypes, so that the agent needs neither
BCC nor LLVM once the loader is gone. Source of the signatures: libbpf's bpf.h
and libbpf.h, version 1.0. Every failure is an ``OSError`` with its errno.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAP_TYPE_HASH = 1
MAP_TYPE_LPM_TRIE = 11
F_NO_PREALLOC = 1

_NAME_BYTES = 15
"""BPF_OBJ_NAME_LEN less its NUL."""

_ENOUGH = 11
"""EAGAIN: a callback that returns a negative number ends ring_buffer__consume(), the record taken (libbpf's ringbuf.c)."""

_RING_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_SAMPLE_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)
_LOST_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64)


class _CreateOptions(ctypes.Structure):
    """struct bpf_map_create_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("btf_fd", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("map_extra", ctypes.c_uint64),
        ("numa_node", ctypes.c_uint32),
        ("map_ifindex", ctypes.c_uint32),
    )


@functools.cache
def library() -> Any:  # noqa: ANN401  # a ctypes library
    """The shared library, its functions declared; for adapters."""
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    library.libbpf_set_print(None)  # its own messages would go to descriptor 2
    library.bpf_map_update_elem.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint64)
    library.bpf_map_lookup_elem.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)
    library.bpf_map_delete_elem.argtypes = (ctypes.c_int, ctypes.c_char_p)
    library.bpf_map_get_next_key.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)
    library.ring_buffer__new.restype = ctypes.c_void_p
    library.ring_buffer__new.argtypes = (ctypes.c_int, _RING_CALLBACK, ctypes.c_void_p, ctypes.c_void_p)
    library.ring_buffer__add.argtypes = (ctypes.c_void_p, ctypes.c_int, _RING_CALLBACK, ctypes.c_void_p)
    library.perf_buffer__new.restype = ctypes.c_void_p
    library.perf_buffer__new.argtypes = (ctypes.c_int, ctypes.c_size_t, _SAMPLE_CALLBACK, _LOST_CALLBACK, ctypes.c_void_p, ctypes.c_void_p)
    for kind in ("ring_buffer", "perf_buffer"):
        for verb in ("consume", "epoll_fd"):
            getattr(library, f"{kind}__{verb}").argtypes = (ctypes.c_void_p,)
        getattr(library, f"{kind}__free").argtypes = (ctypes.c_void_p,)
        getattr(library, f"{kind}__free").restype = None
    return library


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno() or -result
        raise OSError(code, os.strerror(code))
    return result


def map_create(kind: int, name: str, *, key_bytes: int, value_bytes: int, entries: int, flags: int = 0, inner: int = 0) -> int:
    """Make a map; returns its descriptor. An array of maps takes the descriptor of one like its *inner* ones."""
    options = _CreateOptions(sz=ctypes.sizeof(_CreateOptions), map_flags=flags, inner_map_fd=inner)
    return _checked(library().bpf_map_create(kind, name.encode()[:_NAME_BYTES], key_bytes, value_bytes, entries, ctypes.byref(options)))


def map_update(fd: int, key: bytes, value: bytes) -> None:
    """Set an entry."""
    _checked(library().bpf_map_update_elem(fd, key, value, 0))


def map_lookup(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """An entry's value, or None. For per-CPU maps *value_bytes* is that of all CPUs, each rounded up to eight."""
    buffer = ctypes.create_string_buffer(value_bytes)
    if library().bpf_map_lookup_elem(fd, key, buffer) < 0:
        return None
    return buffer.raw


def map_delete(fd: int, key: bytes) -> bool:
    """Delete an entry; False when there was none."""
    return bool(library().bpf_map_delete_elem(fd, key) == 0)


def map_keys(fd: int, key_bytes: int, limit: int = 1_000_000) -> Iterator[bytes]:
    """Keys of a map, at most *limit*; a map that changes meanwhile may show some twice or not at all."""
    key: bytes | None = None
    following = ctypes.create_string_buffer(key_bytes)
    for _ in range(limit):
        if library().bpf_map_get_next_key(fd, key, following) < 0:
            return
        key = following.raw
        yield key


@functools.cache
def possible_cpus() -> int:
    """
    How many CPUs a per-CPU value has: as many as are possible, whatever their numbers.

    Source:
        ``/sys/devices/system/cpu/possible``, a list such as ``0-3,8``; bpf_percpu_array_copy() in kernel/bpf/arraymap.c leaves no gaps.
    """
    ranges = [part.partition("-") for part in Path("/sys/devices/system/cpu/possible").read_text().strip().split(",")]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


class RingBuffers:
    """Several ring buffers behind one epoll descriptor, emptied in their order."""

    def __init__(self, fds: tuple[int, ...], receive: Callable[[bytes], int]) -> None:
        """*receive* gets each record's bytes, must not raise, and returns true to have enough for now."""
        string_at = ctypes.string_at

        def callback(_context: int, data: int, size: int) -> int:
            return -_ENOUGH if receive(string_at(data, size)) else 0

        self._callback = _RING_CALLBACK(callback)
        self._ring = library().ring_buffer__new(fds[0], self._callback, None, None)
        if not self._ring:
            raise OSError(ctypes.get_errno(), "the ring buffer cannot be mapped")
        for fd in fds[1:]:
            _checked(library().ring_buffer__add(self._ring, fd, self._callback, None))
        self.epoll_fds = fds  # a ring is readable by itself: libbpf's epoll descriptor inside the agent's would be a second waking

    def consume(self) -> None:
        """Take what is there, until the receiver has enough."""
        library().ring_buffer__consume(self._ring)

    def close(self) -> None:
        """Unmap."""
        if self._ring:
            library().ring_buffer__free(self._ring)
            self._ring = None


class PerfBuffers:
    """Several sets of per-CPU perf buffers. *lost* gets how many records the kernel could not write, and where."""

    def __init__(self, fds: tuple[int, ...], receive: Callable[[bytes], None], lost: Callable[[int], None], pages: int) -> None:
        string_at = ctypes.string_at

        def sample(_context: int, _cpu: int, data: int, size: int) -> None:
            receive(string_at(data, size))

        def missed(_context: int, _cpu: int, count: int) -> None:
            lost(count)

        self._callbacks = (_SAMPLE_CALLBACK(sample), _LOST_CALLBACK(missed))
        self._buffers: list[Any] = []
        for fd in fds:
            buffer = library().perf_buffer__new(fd, pages, *self._callbacks, None, None)
            if not buffer:
                raise OSError(ctypes.get_errno(), "the perf buffers cannot be made")
            self._buffers.append(buffer)
        self.epoll_fds = tuple(_checked(library().perf_buffer__epoll_fd(buffer)) for buffer in self._buffers)

    def consume(self) -> None:
        """Take all that is there."""
        for buffer in self._buffers:
            library().perf_buffer__consume(buffer)

    def close(self) -> None:
        """Unmap and close."""
        for buffer in self._buffers:
            library().perf_buffer__free(buffer)
        self._buffers = []
