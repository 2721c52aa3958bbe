# SPDX-License-Identifier: Apache-2.0
"""The check for 4.14: hand-made programs that it must report, and ones that it must not."""

from __future__ import annotations

import struct

import pytest

from kernels.check414.check import MAX_INSTRUCTIONS, Report, check_program
from kernels.check414.instructions import Alu, Jump
from kernels.check414.scalars import U32, U64, UNKNOWN, at_most, compute, known, refine

LOOKUP, UPDATE, PROBE_READ, OUTPUT, PROBE_READ_STR = 1, 2, 4, 25, 45
PROBE_READ_KERNEL = 113
MAP_FD = 7


def insn(opcode: int, dst: int = 0, src: int = 0, offset: int = 0, imm: int = 0) -> bytes:
    """One instruction's eight bytes."""
    return struct.pack("<BBhi", opcode, src << 4 | dst, offset, imm)


def mov(dst: int, imm: int) -> bytes:
    """A constant."""
    return insn(0xB7, dst, imm=imm)


def copy(dst: int, src: int) -> bytes:
    """A register into another."""
    return insn(0xBF, dst, src)


def alu(operation: Alu, dst: int, imm: int) -> bytes:
    """A 64-bit operation with a constant."""
    return insn(0x07 | operation, dst, imm=imm)


def alu_by(operation: Alu, dst: int, src: int) -> bytes:
    """A 64-bit operation with a register."""
    return insn(0x0F | operation, dst, src)


def jump(comparison: Jump, dst: int, imm: int, over: int) -> bytes:
    """A branch on a constant."""
    return insn(0x05 | comparison, dst, offset=over, imm=imm)


def call(helper: int) -> bytes:
    """A helper's call."""
    return insn(0x85, imm=helper)


def load(dst: int, src: int, offset: int, opcode: int = 0x79) -> bytes:
    """Memory into a register, eight bytes unless told."""
    return insn(opcode, dst, src, offset)


def store(dst: int, src: int, offset: int, opcode: int = 0x7B) -> bytes:
    """A register into memory, eight bytes unless told."""
    return insn(opcode, dst, src, offset)


def table(dst: int = 1) -> bytes:
    """A map's address."""
    return insn(0x18, dst, 1, imm=MAP_FD) + insn(0)


def stack(dst: int, offset: int) -> bytes:
    """The address of a place on the stack."""
    return copy(dst, 10) + alu(Alu.ADD, dst, offset)


EXIT = mov(0, 0) + insn(0x95)
RANDOM = call(7)  # r0 is any number
KEY = mov(1, 0) + store(10, 1, -8) + stack(2, -8)
VALUE_IN_R6 = KEY + table() + call(LOOKUP) + jump(Jump.JNE, 0, 0, 2) + EXIT + copy(6, 0)


def check(*parts: bytes, **sizes: int) -> Report:
    """The report on a program made of *parts*."""
    return check_program("p", b"".join(parts), value_bytes=sizes.get("value_bytes"))


def texts(*parts: bytes, **sizes) -> str:
    """All problems of a program, in one text."""
    return "; ".join(problem.text for problem in check(*parts, **sizes).problems)


def test_an_empty_program_that_returns_is_clean():
    """Two instructions, no stack, no problem."""
    report = check(EXIT)
    assert (report.instructions, report.stack_bytes, report.problems) == (2, 0, ())


@pytest.mark.parametrize("code", [b"", b"1234567"])
def test_bytes_that_are_no_program_are_refused(code: bytes):
    """No instruction, or a part of one, is an error and not a clean report."""
    with pytest.raises(ValueError, match="not a program"):
        check_program("p", code)


def test_length_is_counted_as_the_kernel_does():
    """4,096 instructions pass, one more does not; a map's address is two."""
    assert not check(mov(0, 0) * (MAX_INSTRUCTIONS - 1), insn(0x95)).problems
    assert "4.14 takes 4096" in texts(mov(0, 0) * MAX_INSTRUCTIONS, insn(0x95))
    assert check(table(), EXIT).instructions == 4


@pytest.mark.parametrize("back", [insn(0x05, offset=-2), jump(Jump.JNE, 0, 5, -2), insn(0x56, 0, 0, -2, 5)])
def test_a_loop_is_reported(back: bytes):
    """Any kind of jump that comes back to where it has been is a loop to 4.14, bounded or not."""
    assert "a jump back to 0" in texts(mov(0, 1), back, EXIT)


def test_a_jump_back_without_a_loop_is_fine():
    """Blocks may stand in any order (clang's choice; such a program loads on a real 4.14), and are checked in the order they run."""
    blocks = insn(0x05, offset=4) + stack(2, -8) + insn(0x05, offset=4) + insn(0) + mov(1, 0) + store(10, 1, -8) + insn(0x05, offset=-7)
    assert not check(blocks, table(), call(LOOKUP), EXIT).problems


def test_a_jump_forward_is_fine():
    """Branches that meet again are no loop."""
    assert not check(RANDOM, jump(Jump.JEQ, 0, 3, 1), mov(0, 0), EXIT).problems


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (mov(1, 1) + mov(2, 2) + mov(3, 3) + call(PROBE_READ_KERNEL), "helper 113"),
        (call(54), "helper 54"),
        (call(26), "helper 26"),  # skb_load_bytes: 4.14 has it, but not for tracing
        (insn(0x85, 0, 1, imm=1), "call of another function"),
        (insn(0x16, 1, imm=0, offset=0), "32-bit comparison"),
        (insn(0x18, 1, 2, imm=7) + insn(0), "64-bit load of kind 2"),
        (mov(1, 1) + insn(0xDB, 10, 1, -8, 0x01), "atomic"),  # fetch-and-add
    ],
)
def test_what_came_after_4_14_is_reported(part: bytes, message: str):
    """Later helpers, calls, comparisons, loads and atomic operations are each named."""
    assert message in texts(part, EXIT)


def test_plain_atomic_addition_is_fine():
    """XADD without its result is as old as eBPF."""
    assert not check(mov(1, 1), store(10, 1, -8), insn(0xDB, 10, 1, -8), EXIT).problems


def test_a_key_on_the_stack_is_fine():
    """A look-up with its key on the stack has no problem, and the depth is known."""
    report = check(KEY, table(), call(LOOKUP), EXIT)
    assert (report.problems, report.stack_bytes) == ((), 8)


def test_a_key_in_a_map_value_is_reported():
    """Until 4.18 the key of a look-up cannot lie in another map's value."""
    assert "map_lookup_elem: r2 points to a map's value" in texts(VALUE_IN_R6, copy(2, 6), table(), call(LOOKUP), EXIT)


def test_a_value_outside_the_stack_is_reported():
    """The value given to an update must lie on the stack too."""
    assert "map_update_elem: r3 points to a map's value" in texts(VALUE_IN_R6, KEY, copy(3, 6), mov(4, 0), table(), call(UPDATE), EXIT)


def test_a_key_is_followed_through_copies_and_the_stack():
    """A stack address that was spilled, filled and moved is still a stack address."""
    assert not check(KEY, store(10, 2, -16), load(7, 10, -16), RANDOM, copy(2, 7), table(), call(LOOKUP), EXIT).problems


def test_a_key_of_two_ways_is_reported_if_one_is_wrong():
    """One branch gives a stack address, the other a map's value: the second is reported."""
    choose = RANDOM + jump(Jump.JEQ, 0, 0, 2) + copy(2, 6) + insn(0x05, offset=2) + stack(2, -8)
    assert "r2 points to a map's value" in texts(VALUE_IN_R6, choose, table(), call(LOOKUP), EXIT)


def test_a_key_at_an_unknown_offset_is_reported():
    """4.14 takes a stack address only at a constant offset."""
    assert "not a constant" in texts(RANDOM, alu(Alu.AND, 0, 7), stack(2, -16), alu_by(Alu.ADD, 2, 0), table(), call(LOOKUP), EXIT)


def read_with_size(*size: bytes) -> str:
    """The problems of a probe_read into the stack whose size is left in r2 by *size*."""
    return texts(RANDOM, copy(2, 0), *size, stack(1, -64), mov(3, 0), call(PROBE_READ), EXIT)


def test_a_masked_size_plus_one_is_fine():
    """``(n & 63) + 1`` is 1 to 64, the form the probes use."""
    assert not read_with_size(alu(Alu.AND, 2, 63), alu(Alu.ADD, 2, 1))


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((alu(Alu.AND, 2, 63),), "not provably 1 or more"),
        ((mov(2, 0),), "not provably 1 or more"),
        ((), "not provably bounded"),
        ((alu(Alu.ADD, 2, 1),), "not provably bounded"),
        ((alu(Alu.AND, 2, 127), alu(Alu.ADD, 2, 1)), "bytes -64 to 64 of the stack"),
        ((alu(Alu.AND, 2, 63), alu(Alu.ADD, 2, 1), store(10, 2, -8), load(2, 10, -8)), "not provably bounded"),
        ((alu(Alu.AND, 2, 63), alu(Alu.LSH, 2, 32), alu(Alu.ARSH, 2, 32), alu(Alu.ADD, 2, 1)), "not provably bounded"),
        ((alu(Alu.AND, 2, 62), alu(Alu.XOR, 2, 1)), "not provably bounded"),
        ((alu(Alu.AND, 0, 2), alu(Alu.AND, 2, 1), alu_by(Alu.OR, 2, 0), alu(Alu.ADD, 2, 1)), "not provably bounded"),
    ],
)
def test_a_size_that_4_14_cannot_prove_is_reported(size: tuple[bytes, ...], message: str):
    """Zero, too much, unbounded, forgotten over the stack, and operations 4.14 does not follow."""
    assert message in read_with_size(*size)


@pytest.mark.parametrize(
    "size",
    [
        (mov(2, 64),),
        (jump(Jump.JGT, 2, 0, 2), EXIT, jump(Jump.JLT, 2, 65, 2), EXIT),
        (jump(Jump.JSGT, 2, 0, 2), EXIT, jump(Jump.JSLE, 2, 64, 2), EXIT),
        (alu(Alu.AND, 2, 31), alu(Alu.LSH, 2, 1), alu(Alu.OR, 2, 1)),
        (alu(Alu.AND, 2, 31), alu(Alu.LSH, 2, 32), alu(Alu.RSH, 2, 32), alu(Alu.ADD, 2, 1)),
    ],
)
def test_a_size_that_4_14_can_prove_is_fine(size: tuple[bytes, ...]):
    """Constants, branches in either sign, shifts and ``|`` are followed."""
    assert not read_with_size(*size)


def test_what_a_string_read_returns_is_any_number():
    """5.x bounds the result of probe_read_str by its size; 4.14 does not, so it must be masked again."""
    read = stack(1, -64) + mov(2, 64) + mov(3, 0) + call(PROBE_READ_STR)
    send = copy(5, 0), stack(4, -64), mov(3, 0), table(2), call(OUTPUT), EXIT
    assert "perf_event_output: the size in r5 is not provably bounded" in texts(read, *send)
    assert not check(read, alu(Alu.SUB, 0, 1), alu(Alu.AND, 0, 63), alu(Alu.ADD, 0, 1), *send).problems


def test_memory_that_is_neither_stack_nor_map_is_reported():
    """A helper cannot write through a number."""
    assert "r1 does not point to the stack" in texts(mov(1, 0), mov(2, 8), mov(3, 0), call(PROBE_READ), EXIT)


def test_an_offset_into_a_map_value_must_be_bounded():
    """An index loaded as two bytes is bounded; one of eight bytes, or one from the stack, is not."""
    use = alu_by(Alu.ADD, 6, 0), load(1, 6, 0), EXIT
    assert not check(VALUE_IN_R6, load(0, 6, 0, 0x69), *use).problems
    assert "not provably in bounds" in texts(VALUE_IN_R6, load(0, 6, 0), *use)


def test_a_map_values_size_is_checked_where_it_is_known():
    """With the sizes of maps given, what reaches behind the value is reported."""
    use = alu(Alu.AND, 0, 63), alu_by(Alu.ADD, 6, 0), load(1, 6, 0), EXIT
    assert not check(VALUE_IN_R6, RANDOM, *use, value_bytes={MAP_FD: 71}).problems
    assert "8 bytes at an offset of up to 63 in a map's value of 70" in texts(VALUE_IN_R6, RANDOM, *use, value_bytes={MAP_FD: 70})


@pytest.mark.parametrize("offset", [-520, -4, 8])
def test_the_stack_ends_at_512_bytes(offset: int):
    """Eight bytes below the end, across the top, or above it are reported."""
    assert "of the stack; it has 512" in texts(mov(1, 0), store(10, 1, offset), EXIT)


def test_the_whole_stack_may_be_used():
    """512 bytes are fine, and reported as depth."""
    report = check(mov(1, 0), store(10, 1, -512), EXIT)
    assert (report.problems, report.stack_bytes) == ((), 512)


def test_a_kernel_pointer_is_not_followed():
    """Memory reached through a number (a BTF load on newer kernels) is reported."""
    assert "does not know as a pointer" in texts(call(35), load(1, 0, 0), EXIT)


def test_a_helper_forgets_the_pointers_it_writes_over():
    """A spilled address under a probe_read's destination is a number afterwards."""
    over = KEY + store(10, 2, -16) + stack(1, -32) + mov(2, 32) + mov(3, 0) + call(PROBE_READ)
    assert "map_lookup_elem: r2 points to something else" in texts(over, load(2, 10, -16), table(), call(LOOKUP), EXIT)


def test_many_ways_are_merged_without_losing_a_problem():
    """Twenty branches are a million ways; the check ends and still sees the last instruction's problem."""
    fork = b"".join(RANDOM + jump(Jump.JEQ, 0, 0, 1) + mov(number % 4 + 6, number) for number in range(20))
    assert "not provably 1 or more" in texts(fork, stack(1, -8), mov(2, 0), mov(3, 0), call(PROBE_READ), EXIT)


def test_a_report_reads_as_the_verifier_counts():
    """A problem carries the program's name and the instruction's number."""
    assert "p:1: helper 113" in str(check(mov(1, 0), call(PROBE_READ_KERNEL), EXIT))


def test_32_bit_operations_leave_32_bits():
    """4.14 forgets more than the upper half of a 32-bit copy, but never says less than is true."""
    assert compute(Alu.ADD, UNKNOWN, known(1), wide=False).high == U32
    assert compute(Alu.SUB, known(0), known(1), wide=False) == known(U32)
    assert compute(Alu.SUB, at_most(4), known(1), wide=True).high == U64


@pytest.mark.parametrize("comparison", [jump for jump in Jump if jump not in {Jump.JA, Jump.CALL, Jump.EXIT, Jump.JSET}])
@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_never_rules_out_a_value_that_takes_it(comparison: Jump, taken: bool):
    """Each comparison is tried with numbers around its constant, in both signs: those that go this way stay possible."""
    unsigned = {Jump.JEQ: int.__eq__, Jump.JNE: int.__ne__, Jump.JGT: int.__gt__, Jump.JGE: int.__ge__, Jump.JLT: int.__lt__, Jump.JLE: int.__le__}
    signed = {Jump.JSGT: int.__gt__, Jump.JSGE: int.__ge__, Jump.JSLT: int.__lt__, Jump.JSLE: int.__le__}
    samples = [known(number) for number in (-5, -2, -1, 0, 1, 2, 3, 63, 64, 1 << 31, (1 << 63) - 1, -(1 << 63))]
    for constant in samples[1:-2]:
        after = refine(UNKNOWN, comparison, constant.low, taken=taken)
        for value in samples:
            goes = unsigned[comparison](value.low, constant.low) if comparison in unsigned else signed[comparison](value.slow, constant.slow)
            if goes == taken:
                assert after.low <= value.low <= after.high
                assert after.slow <= value.slow <= after.shigh
