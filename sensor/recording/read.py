# SPDX-License-Identifier: Apache-2.0
"""
Read a recording, whoever made it.

Blocks are read one after the other, so memory does not depend on the file's
length. A file that ends early is read up to there and says so
(`Ending.CUT`); one that is damaged gives what stands before the damage, then a
`RecordingError` with the place. Nothing else is ever raised for what a file holds.
"""

from __future__ import annotations

import os
import stat
import zlib
from typing import TYPE_CHECKING, Self

from sensor.core.errors import RecordingError
from sensor.recording import format as layout
from sensor.recording.format import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO


class Recording:
    """
    One recording, open for reading once from front to back. A context manager.

    Args:
        path: a finished recording, or a partial one.

    Raises:
        RecordingError: it cannot be opened, is of another version, or is damaged before its first frame.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0
        self._frames = 0
        self._frame_bytes = 0
        self._documents: list[layout.Document] = []
        self._cgroups: list[tuple[int, bytes]] = []
        self._trailer: layout.Trailer | None = None
        self._cut_at: int | None = None
        self._file = _opened(path)
        try:
            self._header = self._opening()
            self._ahead = self._context()
        except RecordingError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._file.close()

    @property
    def header(self) -> layout.Header:
        """Where the frames come from."""
        return self._header

    @property
    def documents(self) -> tuple[layout.Document, ...]:
        """The policy documents that were in force."""
        return tuple(self._documents)

    @property
    def cgroups(self) -> tuple[tuple[int, bytes], ...]:
        """The cgroups known before the first frame."""
        return tuple(self._cgroups)

    @property
    def trailer(self) -> layout.Trailer | None:
        """The end; ``None`` while `blocks` has not come to it, and for a recording that is cut."""
        return self._trailer

    @property
    def ending(self) -> Ending | None:
        """How it ends; ``None`` while `blocks` has not come to the end."""
        if self._trailer is not None:
            return self._trailer.ending
        return None if self._cut_at is None else Ending.CUT

    @property
    def cut_at(self) -> int | None:
        """Offset of the first byte that is not part of a whole block, when the recording is cut."""
        return self._cut_at

    def blocks(self) -> Iterator[layout.Frame | layout.Cgroups]:
        """
        Yield the frames, and the cgroups learned between them, in order of arrival. Once.

        Raises:
            RecordingError: the recording is damaged; what stood before has been yielded.
        """
        block, self._ahead = self._ahead, None
        while block is not None:
            at = self._at
            if isinstance(block, layout.Trailer):
                self._end(block)
                return
            if isinstance(block, layout.Frame):
                if block.sequence != self._frames:
                    raise RecordingError(f"before byte {at}: frame {block.sequence} stands where {self._frames} should")
                self._frames += 1
                self._frame_bytes += len(block.frame)
            elif not isinstance(block, layout.Cgroups):
                raise RecordingError(f"before byte {at}: a {type(block).__name__.lower()} stands behind frames")
            yield block
            block = self._block()

    def frames(self) -> Iterator[layout.Frame]:
        """Yield the frames alone; otherwise as `blocks`."""
        for block in self.blocks():
            if isinstance(block, layout.Frame):
                yield block

    def _opening(self) -> layout.Header:
        raw = self._bytes(layout.OPENING.size)
        if len(raw) < layout.OPENING.size or not raw.startswith(layout.MAGIC):
            raise RecordingError(f"{self.path} is not a recording", hint="recordings are made by `scout record FILE`")
        version = layout.OPENING.unpack(raw)[1]
        if version != layout.VERSION:
            raise RecordingError(f"{self.path} has format version {version}; this Scout reads {layout.VERSION}", hint="use the Scout that made it")
        header = self._block()
        if not isinstance(header, layout.Header):
            raise RecordingError(f"{self.path} has no header, or only a part of one")
        return header

    def _context(self) -> layout.Block | None:
        """Read what stands before the first frame; returns the block after it."""
        block = self._block()
        while isinstance(block, layout.Cgroups | layout.Document):
            if isinstance(block, layout.Document):
                self._documents.append(block)
            else:
                self._cgroups += block.entries
            if len(self._documents) > layout.MAX_DOCUMENTS or len(self._cgroups) > layout.MAX_CGROUPS:
                raise RecordingError(f"before byte {self._at}: more than {layout.MAX_DOCUMENTS} documents or {layout.MAX_CGROUPS} cgroups")
            block = self._block()
        return block

    def _block(self) -> layout.Block | None:
        """The next block; ``None`` at the end of a file that is cut, which is noted."""
        at = self._at
        raw = self._bytes(layout.BLOCK.size)
        if len(raw) < layout.BLOCK.size:
            self._cut_at = at
            return None
        length, checksum = layout.BLOCK.unpack(raw)
        if length > layout.MAX_PAYLOAD_BYTES:
            raise RecordingError(f"at byte {at}: a block of {length} bytes; the longest are {layout.MAX_PAYLOAD_BYTES}", hint="the recording is damaged")
        payload = self._bytes(length)
        if len(payload) < length:
            self._cut_at = at
            return None
        if zlib.crc32(payload) != checksum:
            raise RecordingError(f"at byte {at}: the block's checksum is wrong", hint="the recording is damaged")
        return layout.decode(payload, at)

    def _end(self, trailer: layout.Trailer) -> None:
        if (trailer.frames, trailer.frame_bytes) != (self._frames, self._frame_bytes):
            raise RecordingError(
                f"the trailer tells of {trailer.frames} frames with {trailer.frame_bytes} bytes, there are {self._frames} with {self._frame_bytes}"
            )
        if self._bytes(1):
            raise RecordingError(f"at byte {self._at - 1}: something stands behind the trailer")
        self._trailer = trailer

    def _bytes(self, count: int) -> bytes:
        try:
            data = self._file.read(count)
        except OSError as error:
            raise RecordingError(f"{self.path} at byte {self._at}: {error.strerror}") from error
        self._at += len(data)
        return data


def _opened(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # nonblocking: a FIFO must not hang us
    except OSError as error:
        raise RecordingError(f"{path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RecordingError(f"{path} is not a file")
    return os.fdopen(descriptor, "rb")
