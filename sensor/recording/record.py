# SPDX-License-Identifier: Apache-2.0
"""
Write a recording while the sensor runs.

Promises: recording never stops or fails the sensor (a frame that cannot be
written is counted, and `Recorder.finish` says why); the file never grows beyond
``max_bytes``; ``FILE`` appears whole or not at all, until then the frames are in
``FILE.partial``, which a reader takes too and says that it is cut.

**Frames hold command lines as they were, secrets included.** Nothing is
redacted, since rules must see what they saw; so the file is its owner's alone
(mode 0600).
"""

from __future__ import annotations

import errno
import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sensor.core.counters import Count
from sensor.core.errors import RecordingError, UsageError
from sensor.core.kernel import running_kernel
from sensor.recording import format as layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import BinaryIO

    from sensor.core.clock import Clock
    from sensor.core.counters import Counters

DEFAULT_MAX_BYTES = 1 << 30
"""1 GiB: about a million frames."""

MIN_MAX_BYTES = 1 << 20
"""Below this the context alone may not fit."""

TRAILER_ROOM_BYTES = 64 * 1024
"""Kept free for the trailer; one with every loss there is takes 2 KiB."""

_BUFFER_BYTES = 256 * 1024
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Recorder:
    """
    One recording being written. A context manager: without `finish`, the partial file stays.

    Args:
        path: the file to be made; its folder must exist.
        header: see `describe`.
        counters: where frames that are left out are counted.
        clock: for the trailer's time.
        cgroups: what is known of workloads (`WorkloadTable.paths`).
        documents: the policy documents in force.
        max_bytes: most bytes of the file.
        overwrite: whether a file at *path* may be replaced.

    Raises:
        UsageError: the file is there already, cannot be made, or *max_bytes* is too small for what it must hold.
        FrameError: the context has text that is not UTF-8, or is too long.
    """

    def __init__(
        self,
        path: Path,
        header: layout.Header,
        *,
        counters: Counters,
        clock: Clock,
        cgroups: Iterable[tuple[int, bytes]] = (),
        documents: Iterable[layout.Document] = (),
        max_bytes: int = DEFAULT_MAX_BYTES,
        overwrite: bool = False,
    ) -> None:
        if max_bytes < MIN_MAX_BYTES:
            raise UsageError(f"a recording of at most {max_bytes} bytes is too small", hint=f"allow at least {MIN_MAX_BYTES}")
        context = [layout.encode(header), *(layout.encode(document) for document in documents)]
        context += [layout.encode(layout.Cgroups(entries)) for entries in _batches(cgroups)]
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._overwrite = overwrite
        self._counters = counters
        self._clock = clock
        self._room = max_bytes - layout.OPENING.size - sum(map(len, context)) - TRAILER_ROOM_BYTES
        if self._room < 0:
            raise UsageError(f"{max_bytes} bytes do not hold the recording's context", hint=f"allow at least {max_bytes - self._room}")
        self._sequence = 0
        self._frame_bytes = 0
        self._left_out = 0
        self._full = False
        self._failure: OSError | None = None
        self._file: BinaryIO | None = self._open()
        self._write(layout.OPENING.pack(layout.MAGIC, layout.VERSION) + b"".join(context))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    @property
    def frames(self) -> int:
        """Frames written."""
        return self._sequence

    def frame(self, frame: bytes, lane: int, arrival_ns: int) -> None:
        """Write one frame as it arrived. Never raises for what the disk or the limit do; that is counted."""
        if len(frame) > layout.MAX_FRAME_BYTES:
            self._leave_out(Count.RECORDING_TOO_LONG)
        elif self._failure is not None or self._file is None:
            self._leave_out(Count.RECORDING_FAILED)
        elif self._full:
            self._leave_out(Count.RECORDING_LIMIT)
        else:
            block = layout.encode(layout.Frame(self._sequence, lane, arrival_ns, frame))
            if len(block) > self._room:
                self._full = True  # for good: a shorter frame behind it would leave a gap in the order
                self._leave_out(Count.RECORDING_LIMIT)
            elif self._write(block):
                self._room -= len(block)
                self._sequence += 1
                self._frame_bytes += len(frame)
            else:
                self._leave_out(Count.RECORDING_FAILED)

    def cgroup(self, cgroup_id: int, path: bytes) -> None:
        """Write the whole path of a cgroup whose frames carry only its end, before the first of them."""
        block = layout.encode(layout.Cgroups(((cgroup_id, path),)))
        if self._file is not None and self._failure is None and not self._full and len(block) <= self._room and self._write(block):
            self._room -= len(block)

    def flush(self) -> None:
        """Hand what is buffered to the kernel, so that it survives the agent."""
        self._write(b"", flush=True)

    def finish(self, losses: Mapping[str, int] | None = None) -> layout.Trailer:
        """
        Write the trailer and give the file its name.

        Args:
            losses: the agent's losses while recording, ``where.reason`` → count.

        Raises:
            RecordingError: something could not be written; what could is in the partial file.
            UsageError: a file of that name has appeared meanwhile.
        """
        trailer = layout.Trailer(
            frames=self._sequence,
            frame_bytes=self._frame_bytes,
            left_out=self._left_out,
            ended_ns=self._clock.monotonic_ns(),
            ending=layout.Ending.LIMIT if self._full else layout.Ending.FINISHED,
            losses=dict(losses or {}),
        )
        if self._failure is None and self._file is not None and self._write(layout.encode(trailer), flush=True):
            try:
                os.fsync(self._file.fileno())
                self._name()
            except OSError as error:
                self._failure = error
        self._close()
        if self._failure is not None:
            raise RecordingError(
                f"{self.path}: {self._failure.strerror}", hint=f"{self.partial} has the first {self._sequence} frames, or nearly"
            ) from self._failure
        return trailer

    def _open(self) -> BinaryIO:
        if not self._overwrite and os.path.lexists(self.path):
            raise UsageError(f"{self.path} is there already", hint="choose another name, or allow it to be replaced")
        try:
            self.partial.unlink(missing_ok=True)  # of a recorder that was killed; never followed, never written through
            descriptor = os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"{self.partial} cannot be made: {error.strerror}", hint="record into a folder that can be written") from error
        return os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES)

    def _write(self, data: bytes, *, flush: bool = False) -> bool:
        if self._file is None or self._failure is not None:
            return False
        try:
            self._file.write(data)
            if flush:
                self._file.flush()
        except OSError as error:
            self._failure = error
            return False
        return True

    def _name(self) -> None:
        if self._overwrite or not self._linked():
            self.partial.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _linked(self) -> bool:
        """Give the file its name without replacing another; False where the file system has no hard links."""
        try:
            os.link(self.partial, self.path)
        except FileExistsError:
            self._close()
            raise UsageError(f"{self.path} has appeared meanwhile", hint=f"the recording is whole in {self.partial}") from None
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS) and not os.path.lexists(self.path):
                return False
            raise
        self.partial.unlink()
        return True

    def _leave_out(self, why: Count) -> None:
        self._left_out += 1
        self._counters.add(why)

    def _close(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._failure = self._failure or error
            self._file = None


def describe(
    clock: Clock,
    *,
    scout_version: str,
    spec_hash: str,
    rules_hash: str = "",
    node_name: str = "",
    cgroup_mode: str = "",
    cgroup_controller: str = "",
    node_root: str = "",
    agent_start_ns: int = 0,
    settings: Mapping[str, str] | None = None,
) -> layout.Header:
    """
    Return the header of a recording that begins now, on this machine.

    Args:
        clock: the clock that stamps arrivals.
        scout_version: this Scout's.
        spec_hash: `sensor.events.cheader.spec_hash`.
        rules_hash: hash of the rule set in force.
        node_name: by default the host's name.
        cgroup_mode: `Mode`'s value, of the hierarchy that names workloads.
        cgroup_controller: that hierarchy's v1 controller.
        node_root: see `sensor.workloads.containers.identify`.
        agent_start_ns: start of this process, as frames carry it.
        settings: what decides what becomes of an event.
    """
    kernel = running_kernel()
    now_ns = clock.monotonic_ns()
    try:
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        boot_id = ""
    return layout.Header(
        scout_version=scout_version,
        spec_hash=spec_hash,
        rules_hash=rules_hash,
        kernel_release=kernel.release,
        kernel_build=kernel.build,
        machine=kernel.machine,
        boot_id=boot_id,
        node_name=node_name or os.uname().nodename,
        started_ns=now_ns,
        wall_offset_ns=clock.wall_ns(0),
        boottime_offset_ns=clock.boottime_ns() - now_ns,
        cgroup_mode=cgroup_mode,
        cgroup_controller=cgroup_controller,
        node_root=node_root,
        agent_tgid=os.getpid(),
        agent_start_ns=agent_start_ns,
        settings=dict(settings or {}),
    )


def _batches(cgroups: Iterable[tuple[int, bytes]]) -> Iterator[tuple[tuple[int, bytes], ...]]:
    rest = iter(cgroups)
    while entries := tuple(islice(rest, layout.CGROUPS_PER_BLOCK)):
        yield entries
