# SPDX-License-Identifier: Apache-2.0
"""A process replaced its program image, or failed to."""

from __future__ import annotations

from sensor.events.common import ASKED_BYTES, PATH_BYTES
from sensor.events.spec import EventSpec, Field, Scalar, Tail

EXEC = EventSpec(
    name="exec",
    number=1,
    doc="execve, execveat: the image that runs now; after a failure, what was asked for",
    fields=(Field(name="ret", scalar=Scalar.I32, doc="0, or the negative errno of a failed exec"),),
    tails=(
        Tail(name="asked", max_bytes=ASKED_BYTES, doc="the file as asked for (bprm->filename): a script's own path"),
        Tail(name="interpreter", max_bytes=ASKED_BYTES, doc="bprm->interp when it differs from what was asked: a script's interpreter"),
        Tail(name="fs_path", max_bytes=PATH_BYTES, doc="path of the image inside its filesystem when FrameFlag.FS_PATH is set"),
    ),
)
