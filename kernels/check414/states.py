# SPDX-License-Identifier: Apache-2.0
"""
What is known at one point of a program: the registers, and the pointers kept on the stack.

4.14 remembers only pointers in spilled registers. A number that was bounded,
written to the stack and read back is any number (constants are kept from 5.3,
ranges from 5.11), which is the most common way for a program that newer kernels
take to be refused there.

Source: kernel/bpf/verifier.c of 4.14, check_stack_write(), check_stack_read(),
is_spillable_regtype().
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from kernels.check414.scalars import Scalar, known

FRAME = 10  # the frame pointer's register
SLOT_BYTES = 8
UNKNOWN_MAP = -1


class Place(Enum):
    """What a pointer points into."""

    STACK = "the stack"
    CONTEXT = "the context"
    MAP = "a map"
    MAP_VALUE = "a map's value"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer and how far into its place it points; *map_fd* is the map's, as the program's load has it."""

    place: Place
    offset: Scalar
    map_fd: int = UNKNOWN_MAP

    @property
    def fixed(self) -> int | None:
        """The offset, signed, if it is known."""
        return self.offset.slow if self.offset.slow == self.offset.shigh else None


Value = Scalar | Pointer | None
"""None is a register the program may not read, or one of which two ways say different things."""

Registers = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class State:
    """One way of reaching an instruction."""

    registers: Registers
    spilled: frozenset[tuple[int, Pointer]] = frozenset()
    """Pointers kept on the stack, by the (negative) offset of their slot."""

    def with_register(self, number: int, value: Value) -> State:
        """The state after a write to a register."""
        return replace(self, registers=(*self.registers[:number], value, *self.registers[number + 1 :]))

    def with_stack(self, offset: int, size: int, value: Value) -> State:
        """The state after *size* bytes at *offset* were written; a pointer survives only whole and aligned."""
        kept = {(slot, pointer) for slot, pointer in self.spilled if slot + SLOT_BYTES <= offset or slot >= offset + size}
        if isinstance(value, Pointer) and size == SLOT_BYTES and offset % SLOT_BYTES == 0:
            kept.add((offset, value))
        return replace(self, spilled=frozenset(kept))

    def from_stack(self, offset: int) -> Pointer | None:
        """The pointer kept at *offset*, if there is one."""
        return next((pointer for slot, pointer in self.spilled if slot == offset), None)


def entry() -> State:
    """What a program starts with: its context, and an empty frame."""
    registers: list[Value] = [None] * (FRAME + 1)
    registers[1] = Pointer(Place.CONTEXT, known(0))
    registers[FRAME] = Pointer(Place.STACK, known(0))
    return State(tuple(registers))


def _join(one: Value, two: Value) -> Value:
    if one == two:
        return one
    if isinstance(one, Scalar) and isinstance(two, Scalar):
        return Scalar(min(one.low, two.low), max(one.high, two.high), min(one.slow, two.slow), max(one.shigh, two.shigh))
    if isinstance(one, Pointer) and isinstance(two, Pointer) and one.place is two.place:
        offset = _join(one.offset, two.offset)
        if isinstance(offset, Scalar):
            return Pointer(one.place, offset, one.map_fd if one.map_fd == two.map_fd else UNKNOWN_MAP)
    return None


def _merge(states: list[State]) -> State:
    """What all of *states* have in common."""
    merged = states[0]
    for other in states[1:]:
        registers = tuple(_join(one, two) for one, two in zip(merged.registers, other.registers, strict=True))
        slots = dict(other.spilled)
        spilled = {(slot, joined) for slot, one in merged.spilled if slot in slots and isinstance(joined := _join(one, slots[slot]), Pointer)}
        merged = State(registers, frozenset(spilled))
    return merged


def _signature(state: State) -> tuple[object, ...]:
    """Which registers and slots hold what sort of thing, whatever the numbers."""
    kinds = tuple(value.place if isinstance(value, Pointer) else type(value) for value in state.registers)
    return (*kinds, *sorted((slot, pointer.place.value) for slot, pointer in state.spilled))


def reduce(states: list[State], limit: int) -> list[State]:
    """
    At most *limit* states that say no more than *states* do.

    The kernel walks each way apart; the check cannot walk them all. States of
    one sort are merged first, which forgets how numbers go together but not
    which way a pointer was found; a merge can only lead to a report too many.
    """
    unique = list(dict.fromkeys(states))
    if len(unique) <= limit:
        return unique
    groups: dict[tuple[object, ...], list[State]] = {}
    for state in unique:
        groups.setdefault(_signature(state), []).append(state)
    merged = [_merge(group) for group in groups.values()]
    return merged if len(merged) <= limit else [_merge(merged)]
