# SPDX-License-Identifier: Apache-2.0
"""
Every error Scout raises on purpose, as one tree.

    ScoutError
    ├── UsageError              the command line or a setting is wrong        exit 2
    ├── DocumentError           rules or policies have mistakes (all of them) exit 3
    ├── EnvironmentRefusal      this machine cannot run the sensor as it is   exit 4
    │   ├── PrivilegeMissing    not root, a capability, a locked-down kernel
    │   ├── KernelUnsupported   too old, or a facility is not there
    │   └── OffsetsUnknown      no trustworthy offset for a named member
    ├── ProbeError              compiling, loading or attaching failed        exit 5
    ├── TableError              a table generation could not be installed     exit 5
    └── FrameError              a frame or recording is not what it says      exit 6
        ├── FrameTooShort
        ├── UnknownEventKind
        └── RecordingError      a recording is damaged or of another version

Callers catch branches; ``Exception`` is caught only in loops that must go on,
`sensor.app`'s and its threads'. A message says what was found, where, and what to do.
"""

from __future__ import annotations


class ScoutError(Exception):
    """The root. *hint* is one sentence on what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ScoutError):
    """The command line or a setting is wrong."""

    exit_code = 2


class DocumentError(ScoutError):
    """Rules or policies have mistakes; ``problems`` has every one, in order of place."""

    exit_code = 3

    def __init__(self, message: str, *, problems: tuple[object, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class EnvironmentRefusal(ScoutError):
    """This machine cannot run the sensor as it is."""

    exit_code = 4


class PrivilegeMissing(EnvironmentRefusal):
    """Not root, or a named capability is missing."""


class KernelUnsupported(EnvironmentRefusal):
    """The kernel is too old or lacks a facility."""


class OffsetsUnknown(EnvironmentRefusal):
    """No trustworthy offset for a named structure member."""


class ProbeError(ScoutError):
    """Compiling, loading or attaching a probe failed."""

    exit_code = 5


class TableError(ScoutError):
    """A table generation could not be installed; the one before is still live."""

    exit_code = 5


class FrameError(ScoutError):
    """Bytes that should be a frame are not."""

    exit_code = 6


class FrameTooShort(FrameError):
    """The frame ends inside its fixed part or inside a tail."""


class UnknownEventKind(FrameError):
    """No event kind has this number: probes and decoder come from different builds."""


class RecordingError(FrameError):
    """A recording is damaged or of another version."""
