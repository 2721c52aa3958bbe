# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno

import pytest

from sensor.adapters import bpfsys


def test_instructions_are_eight_bytes_in_the_kernels_order():
    """opcode, registers, offset, immediate, as struct bpf_insn has them."""
    assert bytes.fromhex("9500000000000000") == bpfsys.EXIT
    assert bpfsys.move(3, 258) == bytes.fromhex("b703000002010000")
    assert bpfsys.move_register(1, 10) == bytes.fromhex("bfa1000000000000")
    assert bpfsys.load_u64(1, 0, 16) == bytes.fromhex("7901100000000000")
    assert bpfsys.jump_if_less(0, 4, -2) == bytes.fromhex("a500feff04000000")
    assert bpfsys.call(158) == bytes.fromhex("850000009e000000")
    assert bpfsys.add(1, -8) == bytes.fromhex("07010000f8ffffff")


def test_a_program_interrupted_by_signals_is_asked_again(monkeypatch):
    """EAGAIN is a signal during verification, not an answer."""
    answers = iter([errno.EAGAIN, errno.EAGAIN, 0])
    monkeypatch.setattr(bpfsys, "_ask", lambda command, attributes: next(answers))
    assert bpfsys.try_program(bpfsys.PROG_TRACEPOINT, bpfsys.EXIT) == 0


def test_eternal_interruption_ends(monkeypatch):
    """A kernel that says EAGAIN for ever does not hang the start."""
    monkeypatch.setattr(bpfsys, "_ask", lambda command, attributes: errno.EAGAIN)
    assert bpfsys.try_program(bpfsys.PROG_TRACEPOINT, bpfsys.EXIT) == errno.EAGAIN


@pytest.mark.parametrize("machine", ["riscv64", ""])
def test_an_unknown_architecture_has_no_bpf(monkeypatch, machine):
    """A syscall number is never guessed."""
    monkeypatch.setattr(bpfsys.platform, "machine", lambda: machine)
    assert bpfsys.try_map(bpfsys.MAP_RINGBUF, key_bytes=0, value_bytes=0, max_entries=4096) == errno.ENOSYS
