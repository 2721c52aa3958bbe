# SPDX-License-Identifier: Apache-2.0
"""
Every way a frame can be lost in the kernel: one counter each, per CPU.

The numbers index the map ``losses`` (bpf/prelude/maps.c); the generated header
has them as ``LOSS_…``. User space counts its own losses in `sensor.core.counters`.
"""

from __future__ import annotations

from enum import IntEnum


class Loss(IntEnum):
    """Why a frame that had a candidate never reached the agent."""

    RING_FULL_COMMON = 0
    """The common ring had no room."""
    RING_FULL_RESERVED = 1
    """The reserved ring had no room."""
    BUCKET_COMMON = 2
    """The workload's token bucket for the common lane was empty."""
    BUCKET_RESERVED = 3
    """The workload's token bucket for the reserved lane was empty."""
    SCRATCH_BUSY = 4
    """The program was entered again while it was building a frame on this CPU."""
    TOO_LONG = 5
    """The frame did not fit."""
    STAGE_MISSING = 6
    """A later stage of the program was not there to be called."""
    NO_TABLE = 7
    """No table generation was live; the act was not classified."""
    PENDING_FULL = 8
    """No room to remember a connect until its end."""
