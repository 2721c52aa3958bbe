# SPDX-License-Identifier: Apache-2.0
"""
What can go wrong around a guest, apart from the command that ran in it.

    GuestError
    ├── ToolMissing        a program this needs is not installed, or we are not root
    ├── ArchiveError       Debian's archive: no such package, no mirror in the machine's sources
    ├── BuildFailed        a root, a disk or a module list could not be made
    └── GuestDied          the guest hung, panicked, or went without saying how the command ended

The command's own failure is no error here: it is an exit status.
"""

from __future__ import annotations


class GuestError(Exception):
    """The root of this tree; the message says what to do where there is something to do."""


class ToolMissing(GuestError):
    """A program is not installed, or a right is missing."""


class ArchiveError(GuestError):
    """The archive does not have what was asked for, or cannot be reached."""


class BuildFailed(GuestError):
    """A tool that builds a part of the guest failed."""


class GuestDied(GuestError):
    """The guest ended without a status, or was cut at its deadline; the message ends with the console's last lines."""
