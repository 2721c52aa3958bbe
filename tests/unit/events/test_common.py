# SPDX-License-Identifier: Apache-2.0

from sensor.events.common import ANCESTOR_BYTES, HEADER, MAX_ANCESTORS, PROCESS, SHARED_TAILS, FrameFlag, Lane


def test_a_flag_is_one_bit_of_the_frames_word():
    """Every flag is a bit of its own below 32, without a gap: the C side has them as constants."""
    assert [flag.value for flag in FrameFlag] == [1 << bit for bit in range(len(FrameFlag))]
    assert len(FrameFlag) <= 32


def test_the_flags_are_where_recordings_have_them():
    """Flags are appended, never moved."""
    assert (FrameFlag.PATH_CUT, FrameFlag.ASKED_FAULTED, FrameFlag.FS_PATH, FrameFlag.BOOKKEEPING) == (1, 1 << 5, 1 << 15, 1 << 16)


def test_lanes_are_numbered_as_in_c():
    """The common lane is 0, the reserved one 1."""
    assert (Lane.COMMON, Lane.RESERVED) == (0, 1)


def test_a_frame_opens_with_its_length_and_kind():
    """The first members are the frame's length and its kind: a reader needs nothing else to skip a frame."""
    assert [field.name for field in HEADER[:2]] == ["frame_bytes", "kind"]


def test_the_process_is_told_whole():
    """Every frame has identity, credentials, namespaces and names of the acting process."""
    assert {"tgid", "ppid", "start_ns", "uid", "euid", "loginuid", "cap_effective", "cgroup_id", "mnt_ns", "comm", "pcomm"} <= {f.name for f in PROCESS}


def test_the_ancestors_tail_has_room_for_all():
    """The tail of parents holds the most that are told."""
    assert SHARED_TAILS[0].name == "ancestors"
    assert SHARED_TAILS[0].max_bytes == MAX_ANCESTORS * ANCESTOR_BYTES
