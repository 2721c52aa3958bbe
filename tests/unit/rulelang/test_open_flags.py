# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

from sensor.events.common import FrameFlag
from sensor.rulelang import open_flags
from sensor.rulelang.getters import O_PATH
from sensor.rulelang.values import UNKNOWN
from tests.unit.events_factory import make_event

CREATION = int(FrameFlag.CREATION_UNSURE)
ALL = int(FrameFlag.CREATION_UNSURE | FrameFlag.FLAGS_UNSURE)


def test_flags_have_names():
    """The access mode first, then the others."""
    event = make_event("open", open_flags=os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    assert open_flags.flag_names(event) == b"O_RDWR|O_CREAT|O_CLOEXEC"


def test_o_path_is_neither_reading_nor_writing():
    """A descriptor that only names the file."""
    event = make_event("open", open_flags=O_PATH)
    assert not open_flags.is_open_read(event)
    assert not open_flags.is_open_write(event)


def test_flags_that_may_have_been_there():
    """Of an openat2 that opened something: what creates and truncates is one of eight combinations, found first; the rest is sure."""
    value = open_flags.flag_names(make_event("open", open_flags=0o1001, flags=int(FrameFlag.CREATION_UNSURE)))
    assert value.among[0] == b"O_WRONLY|O_TRUNC"
    assert sorted(value.among) == sorted(
        b"|".join((b"O_WRONLY", *names))
        for names in ((), (b"O_CREAT",), (b"O_EXCL",), (b"O_TRUNC",), (b"O_CREAT", b"O_EXCL"), (b"O_CREAT", b"O_TRUNC"), (b"O_EXCL", b"O_TRUNC"),
                      (b"O_CREAT", b"O_EXCL", b"O_TRUNC"))
    )  # fmt: skip


def test_what_is_not_sure_is_unknown():
    """Creation and mode of any openat2, all flags of one that opened nothing; a failed one has created nothing."""
    opened, failed = make_event("open", flags=CREATION), make_event("open", flags=ALL, ret=-2)
    assert open_flags.is_open_create(opened) is open_flags.is_open_exec(opened) is open_flags.mode_text(opened) is UNKNOWN
    assert open_flags.is_open_read(opened) is True
    assert open_flags.is_open_read(failed) is open_flags.is_open_write(failed) is open_flags.flag_names(failed) is UNKNOWN
    assert open_flags.is_open_create(failed) is False
