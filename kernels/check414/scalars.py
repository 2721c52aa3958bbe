# SPDX-License-Identifier: Apache-2.0
"""
What 4.14's verifier knows of a number: an unsigned and a signed range.

The kernel also tracks known bits (tnum); what those add to the ranges is
followed only where compilers rely on it (``& mask``, ``| constant``). Where
4.14 gives up (division, XOR, arithmetic right shift), so does this. Ranges may
become contradictory on a branch that cannot happen: 4.14 walks it all the
same, and so does the check.

Source: kernel/bpf/verifier.c of 4.14, adjust_scalar_min_max_vals(),
reg_set_min_max(), reg_set_min_max_inv(), __reg_deduce_bounds().
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.check414.instructions import Alu, Jump

U64 = (1 << 64) - 1
U32 = (1 << 32) - 1
S64_MAX = (1 << 63) - 1
S64_MIN = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Scalar:
    """Bounds of a 64-bit value, seen unsigned (``low``, ``high``) and signed (``slow``, ``shigh``)."""

    low: int = 0
    high: int = U64
    slow: int = S64_MIN
    shigh: int = S64_MAX

    @property
    def constant(self) -> int | None:
        """The value, unsigned, if it is known."""
        return self.low if self.low == self.high else None


UNKNOWN = Scalar()


def known(value: int) -> Scalar:
    """A constant; *value* may be written signed or unsigned."""
    unsigned = value & U64
    signed = unsigned - (1 << 64) if unsigned > S64_MAX else unsigned
    return Scalar(unsigned, unsigned, signed, signed)


def at_most(high: int) -> Scalar:
    """A value of 0 to *high*, as a load of less than eight bytes gives."""
    return deduced(0, high, S64_MIN, S64_MAX)


def deduced(low: int, high: int, slow: int, shigh: int) -> Scalar:
    """The bounds with what each view says about the other, as far as 4.14's __reg_deduce_bounds() goes."""
    if slow >= 0 or shigh < 0:  # the sign is known: both views are one
        low, high = max(slow & U64, low), min(shigh & U64, high)
        slow, shigh = _signed(low), _signed(high)
    elif high <= S64_MAX:
        slow, high = low, min(shigh & U64, high)
        shigh = high
    elif low > S64_MAX:
        low = max(slow & U64, low)
        slow, shigh = _signed(low), _signed(high)
    return Scalar(low, high, slow, shigh)


def _signed(value: int) -> int:
    return value - (1 << 64) if value > S64_MAX else value


def _truncated(value: Scalar) -> Scalar:
    """The low 32 bits, as a 32-bit operation leaves them."""
    if value.constant is not None:
        return known(value.constant & U32)
    return value if value.high <= U32 else at_most(U32)


def compute(operation: int, one: Scalar, two: Scalar, *, wide: bool) -> Scalar:
    """
    What *one* becomes.

    Args:
        operation: An `Alu`.
        one: The destination before.
        two: The other operand.
        wide: 64 bits rather than 32.
    """
    if not wide:
        one, two = _truncated(one), _truncated(two)
    result = _compute(operation, one, two)
    return result if wide else _truncated(result)


_EXACT = {
    Alu.ADD: lambda one, two: one + two,
    Alu.SUB: lambda one, two: one - two,
    Alu.MUL: lambda one, two: one * two,
    Alu.AND: lambda one, two: one & two,
    Alu.OR: lambda one, two: one | two,
    Alu.LSH: lambda one, two: one << two,
    Alu.RSH: lambda one, two: one >> two,
}
"""Operations whose result 4.14 knows exactly when both operands are constants."""

_WIDTH = 64  # a shift by as much is refused


def _compute(operation: int, one: Scalar, two: Scalar) -> Scalar:
    shift = two.constant if two.constant is not None and two.constant < _WIDTH else None
    if operation not in _EXACT or (operation in {Alu.LSH, Alu.RSH} and shift is None):
        return UNKNOWN
    if one.constant is not None and two.constant is not None:
        return known(_EXACT[Alu(operation)](one.constant, two.constant))
    if operation == Alu.LSH and shift is not None:
        return deduced(one.low << shift, one.high << shift, S64_MIN, S64_MAX) if one.high <= 1 << (63 - shift) else UNKNOWN
    if operation == Alu.RSH and shift is not None:
        return deduced(one.low >> shift, one.high >> shift, S64_MIN, S64_MAX)
    return _BY_RANGE[Alu(operation)](one, two)


def _added(one: Scalar, two: Scalar) -> Scalar:
    """Each view survives only if it cannot overflow."""
    signed = (one.slow + two.slow, one.shigh + two.shigh)
    if signed[0] < S64_MIN or signed[1] > S64_MAX:
        signed = (S64_MIN, S64_MAX)
    unsigned = (one.low + two.low, one.high + two.high)
    if unsigned[1] > U64:
        unsigned = (0, U64)
    return deduced(*unsigned, *signed)


def _subtracted(one: Scalar, two: Scalar) -> Scalar:
    signed = (one.slow - two.shigh, one.shigh - two.slow)
    if signed[0] < S64_MIN or signed[1] > S64_MAX:
        signed = (S64_MIN, S64_MAX)
    unsigned = (one.low - two.high, one.high - two.low) if one.low >= two.high else (0, U64)
    return deduced(*unsigned, *signed)


def _multiplied(one: Scalar, two: Scalar) -> Scalar:
    if one.slow < 0 or two.slow < 0 or one.high > U32 or two.high > U32:
        return UNKNOWN
    return deduced(one.low * two.low, one.high * two.high, S64_MIN, S64_MAX)


def _masked(one: Scalar, two: Scalar) -> Scalar:
    return at_most(min(one.high, two.high))


def _united(one: Scalar, two: Scalar) -> Scalar:
    """
    The highest bit either can have bounds the result, if one of them is a constant.

    The ``|`` of two variables, small as both may be, is any number on Debian's
    5.10.262 (seen in its verifier's log), so no older kernel is trusted with it.
    """
    if one.constant is None and two.constant is None:
        return UNKNOWN
    return deduced(max(one.low, two.low), (1 << max(one.high, two.high).bit_length()) - 1, S64_MIN, S64_MAX)


_BY_RANGE = {Alu.ADD: _added, Alu.SUB: _subtracted, Alu.MUL: _multiplied, Alu.AND: _masked, Alu.OR: _united}


_OPPOSITE = {
    Jump.JEQ: Jump.JNE,
    Jump.JNE: Jump.JEQ,
    Jump.JGT: Jump.JLE,
    Jump.JLE: Jump.JGT,
    Jump.JGE: Jump.JLT,
    Jump.JLT: Jump.JGE,
    Jump.JSGT: Jump.JSLE,
    Jump.JSLE: Jump.JSGT,
    Jump.JSGE: Jump.JSLT,
    Jump.JSLT: Jump.JSGE,
}

MIRRORED = {
    Jump.JEQ: Jump.JEQ,
    Jump.JNE: Jump.JNE,
    Jump.JGT: Jump.JLT,
    Jump.JLT: Jump.JGT,
    Jump.JGE: Jump.JLE,
    Jump.JLE: Jump.JGE,
    Jump.JSGT: Jump.JSLT,
    Jump.JSLT: Jump.JSGT,
    Jump.JSGE: Jump.JSLE,
    Jump.JSLE: Jump.JSGE,
}
"""The comparison that holds when the operands change places."""


def refine(value: Scalar, comparison: int, constant: int, *, taken: bool) -> Scalar:
    """
    What a branch on *value* against *constant* (unsigned) teaches on the way where the jump is *taken*, or is not.

    ``!=`` and ``&`` teach nothing, as in 4.14.
    """
    if comparison not in _OPPOSITE:
        return value
    holds = Jump(comparison) if taken else _OPPOSITE[Jump(comparison)]
    if holds is Jump.JEQ:
        return known(constant)
    signed = _signed(constant)
    at_least = {Jump.JGT: constant + 1, Jump.JGE: constant}.get(holds, value.low)
    most = {Jump.JLT: constant - 1, Jump.JLE: constant}.get(holds, value.high)
    signed_least = {Jump.JSGT: signed + 1, Jump.JSGE: signed}.get(holds, value.slow)
    signed_most = {Jump.JSLT: signed - 1, Jump.JSLE: signed}.get(holds, value.shigh)
    return deduced(max(value.low, at_least), min(value.high, most), max(value.slow, signed_least), min(value.shigh, signed_most))
