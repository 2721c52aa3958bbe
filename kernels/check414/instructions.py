# SPDX-License-Identifier: Apache-2.0
"""
eBPF instructions as the kernel takes them: eight bytes each, a 64-bit load takes two.

Source: include/uapi/linux/bpf.h, ``struct bpf_insn``, and
include/uapi/linux/bpf_common.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

INSTRUCTION_BYTES = 8
_SHAPE = struct.Struct("<BBhi")


class Class(IntEnum):
    """The low three bits of an opcode."""

    LD = 0
    LDX = 1
    ST = 2
    STX = 3
    ALU = 4
    JMP = 5
    JMP32 = 6
    ALU64 = 7


class Alu(IntEnum):
    """The high four bits of an arithmetic opcode."""

    ADD = 0x00
    SUB = 0x10
    MUL = 0x20
    DIV = 0x30
    OR = 0x40
    AND = 0x50
    LSH = 0x60
    RSH = 0x70
    NEG = 0x80
    MOD = 0x90
    XOR = 0xA0
    MOV = 0xB0
    ARSH = 0xC0
    END = 0xD0


class Jump(IntEnum):
    """The high four bits of a jump's opcode."""

    JA = 0x00
    JEQ = 0x10
    JGT = 0x20
    JGE = 0x30
    JSET = 0x40
    JNE = 0x50
    JSGT = 0x60
    JSGE = 0x70
    CALL = 0x80
    EXIT = 0x90
    JLT = 0xA0
    JLE = 0xB0
    JSLT = 0xC0
    JSLE = 0xD0


SIZE_OF_MODE = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}  # BPF_W, BPF_H, BPF_B, BPF_DW
MODE_MEM = 0x60
MODE_ATOMIC = 0xC0  # BPF_XADD in 4.14, where addition is all there is
LOAD_64 = 0x18  # BPF_LD | BPF_IMM | BPF_DW, in two instructions
LOAD_MAP = 1  # its source register: BPF_PSEUDO_MAP_FD, the immediate is a map


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, decoded into its parts."""

    opcode: int
    dst: int
    src: int
    offset: int
    imm: int

    @property
    def cls(self) -> Class:
        """Its class."""
        return Class(self.opcode & 0x07)

    @property
    def operation(self) -> int:
        """The operation of an arithmetic or jump instruction."""
        return self.opcode & 0xF0

    @property
    def by_register(self) -> bool:
        """Whether the second operand is the source register rather than the immediate."""
        return bool(self.opcode & 0x08)

    @property
    def size_bytes(self) -> int:
        """How many bytes a load or store moves."""
        return SIZE_OF_MODE[self.opcode & 0x18]

    @property
    def mode(self) -> int:
        """How a load or store addresses memory."""
        return self.opcode & 0xE0


def decode(code: bytes) -> list[Instruction]:
    """
    The instructions of a program.

    Args:
        code: What BCC's ``dump_func`` returns, what ``BPF_PROG_LOAD`` is given.

    Raises:
        ValueError: no instruction, or not a whole number of them.
    """
    if not code or len(code) % INSTRUCTION_BYTES:
        raise ValueError(f"{len(code)} bytes are not a program: instructions have {INSTRUCTION_BYTES}")
    return [Instruction(opcode, registers & 0x0F, registers >> 4, offset, imm) for opcode, registers, offset, imm in _SHAPE.iter_unpack(code)]
