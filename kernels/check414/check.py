# SPDX-License-Identifier: Apache-2.0
"""
Walk a program as 4.14's verifier would, and report what it would refuse and newer kernels accept.

Checked: length, loops, instructions and helpers that came later, map
keys and values on the stack, sizes that are provably 1 or more, offsets into
map values that are provably in bounds, the stack's depth. Everything else the
verifier asks is left to the kernel the program is really loaded on.

Not checked: 4.14's limit of 131,072 *examined* instructions, which depends on
how it prunes. A report can be one too many (see `states.reduce`); a program
without a report can still be refused by a real 4.14.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernels.check414.flow import walk_order
from kernels.check414.helpers import LOOKUP, TRACING_4_14, Helper
from kernels.check414.instructions import LOAD_64, LOAD_MAP, MODE_ATOMIC, MODE_MEM, Alu, Class, Instruction, Jump, decode
from kernels.check414.scalars import MIRRORED, UNKNOWN, Scalar, at_most, compute, known, refine
from kernels.check414.states import SLOT_BYTES, Place, Pointer, State, Value, entry, reduce

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS; a program of as many is accepted
MAX_STACK_BYTES = 512  # MAX_BPF_STACK
MAX_SIZE = 1 << 29  # BPF_MAX_VAR_SIZ and BPF_MAX_VAR_OFF: what reaches it counts as unbounded
STATES_KEPT = 48  # per instruction: enough that no program of ours was reported for a merge, and 4,096 instructions take seconds


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing 4.14 would refuse: the instruction's number, as bpftool and the verifier count, and what is wrong."""

    at: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the check found in one program."""

    name: str
    instructions: int
    """As the kernel counts them: a 64-bit load is two."""

    stack_bytes: int
    """The deepest byte of the frame that is touched."""

    problems: tuple[Problem, ...]
    """In the program's order; empty when nothing was found."""

    def __str__(self) -> str:
        """One line for the program and one for each problem."""
        lines = [f"{self.name}: {self.instructions} instructions, {self.stack_bytes} bytes of stack, {len(self.problems)} problems"]
        return "\n".join([*lines, *(f"  {self.name}:{problem.at}: {problem.text}" for problem in self.problems)])


def check_program(name: str, code: bytes, *, value_bytes: Mapping[int, int] | None = None) -> Report:
    """
    Check one program.

    Args:
        name: For the report.
        code: Its instructions, as given to the kernel.
        value_bytes: The size of each map's value, by the descriptor that stands in the program's map loads.
            For maps that are missing here, offsets are only checked to be bounded at all.

    Raises:
        ValueError: *code* is not a program.
    """
    walk = _Walk(decode(code), value_bytes or {})
    walk.run()
    return Report(name=name, instructions=len(walk.program), stack_bytes=walk.stack_bytes, problems=tuple(sorted(Problem(*item) for item in walk.problems)))


@dataclass(slots=True)
class _Walk:
    """The walk through one program: an instruction's turn comes when all that lead to it had theirs."""

    program: list[Instruction]
    value_bytes: Mapping[int, int]
    stack_bytes: int = 0
    problems: set[tuple[int, str]] = field(default_factory=set)
    waiting: dict[int, list[State]] = field(default_factory=dict)
    loops: set[tuple[int, int]] = field(default_factory=set)
    at: int = 0

    def run(self) -> None:
        if len(self.program) > MAX_INSTRUCTIONS:
            self.problems.add((MAX_INSTRUCTIONS, f"{len(self.program)} instructions; 4.14 takes {MAX_INSTRUCTIONS}"))
        self.waiting[0] = [entry()]
        order, self.loops = walk_order(self.program)
        for at, target in self.loops:
            self.problems.add((at, f"a loop: a jump back to {target} (5.3)"))
        for self.at in order:
            for state in reduce(self.waiting.pop(self.at, []), STATES_KEPT):
                self._step(self.program[self.at], state)

    def _step(self, instruction: Instruction, state: State) -> None:
        match instruction.cls:
            case Class.ALU | Class.ALU64:
                self._go(1, self._arithmetic(instruction, state))
            case Class.LD:
                self._load_constant(instruction, state)
            case Class.LDX:
                loaded, state = self._read(instruction, state.registers[instruction.src], state)
                self._go(1, state.with_register(instruction.dst, loaded))
            case Class.ST | Class.STX:
                self._go(1, self._write(instruction, state))
            case Class.JMP | Class.JMP32:
                self._jump(instruction, state)

    def _go(self, distance: int, state: State) -> None:
        if (self.at, self.at + distance) not in self.loops:
            self.waiting.setdefault(self.at + distance, []).append(state)

    def _problem(self, text: str) -> None:
        self.problems.add((self.at, text))

    # Numbers and addresses.

    def _arithmetic(self, instruction: Instruction, state: State) -> State:
        wide = instruction.cls is Class.ALU64
        left = state.registers[instruction.dst]
        right = state.registers[instruction.src] if instruction.by_register else known(instruction.imm)
        result: Value
        if instruction.operation == Alu.MOV:
            result = right if wide else _narrow(right, constant=not instruction.by_register)
        elif isinstance(left, Scalar) and isinstance(right, Scalar):
            result = compute(instruction.operation, left, right, wide=wide)
        elif wide and isinstance(left, Pointer) and isinstance(right, Scalar) and instruction.operation in {Alu.ADD, Alu.SUB}:
            result = Pointer(left.place, compute(instruction.operation, left.offset, right, wide=True), left.map_fd)
        elif wide and isinstance(left, Scalar) and isinstance(right, Pointer) and instruction.operation == Alu.ADD:
            result = Pointer(right.place, compute(Alu.ADD, right.offset, left, wide=True), right.map_fd)
        else:
            result = UNKNOWN
        return state.with_register(instruction.dst, result)

    def _load_constant(self, instruction: Instruction, state: State) -> None:
        if instruction.opcode != LOAD_64 or self.at + 1 >= len(self.program):
            self._problem("a load from a packet, which tracing programs do not have")
            return
        value: Value = known((instruction.imm & 0xFFFFFFFF) | (self.program[self.at + 1].imm << 32))
        if instruction.src == LOAD_MAP:
            value = Pointer(Place.MAP, known(0), instruction.imm)
        elif instruction.src != 0:
            self._problem(f"a 64-bit load of kind {instruction.src}, which is newer than 4.14")
        self._go(2, state.with_register(instruction.dst, value))

    # Memory.

    def _read(self, instruction: Instruction, base: Value, state: State) -> tuple[Value, State]:
        size = instruction.size_bytes
        if instruction.mode != MODE_MEM:
            self._problem("a kind of load that is newer than 4.14")
        pointer = self._address(base, instruction.offset, size)
        fixed = pointer.fixed if pointer and pointer.place is Place.STACK else None
        kept = state.from_stack(fixed) if fixed is not None and size == SLOT_BYTES else None
        return kept or (UNKNOWN if size == SLOT_BYTES else at_most((1 << 8 * size) - 1)), state

    def _write(self, instruction: Instruction, state: State) -> State:
        if instruction.mode == MODE_ATOMIC and (instruction.imm != 0 or instruction.cls is not Class.STX):
            self._problem("an atomic operation other than addition without its result (5.12)")
        value = state.registers[instruction.src] if instruction.cls is Class.STX and instruction.mode == MODE_MEM else None
        pointer = self._address(state.registers[instruction.dst], instruction.offset, instruction.size_bytes)
        if pointer and pointer.place is Place.STACK and pointer.fixed is not None:
            return state.with_stack(pointer.fixed, instruction.size_bytes, value)
        return state

    def _address(self, base: Value, offset: int, size: int) -> Pointer | None:
        """Where an access of *size* bytes goes, once it is checked; None when that is not known."""
        if not isinstance(base, Pointer) or base.place is Place.MAP:
            self._problem("memory is reached through something that 4.14 does not know as a pointer")
            return None
        pointer = Pointer(base.place, compute(Alu.ADD, base.offset, known(offset), wide=True), base.map_fd)
        self._bounds(pointer, size)
        return pointer

    def _bounds(self, pointer: Pointer, size: int) -> None:
        low, high = pointer.offset.slow, pointer.offset.shigh
        if pointer.place is Place.STACK:
            if low != high:
                self._problem("the stack is reached at an offset that is not a constant")
            elif low < -MAX_STACK_BYTES or low + size > 0:
                self._problem(f"bytes {low} to {low + size} of the stack; it has {MAX_STACK_BYTES}")
            else:
                self.stack_bytes = max(self.stack_bytes, -low)
        elif pointer.place is Place.MAP_VALUE:
            room = self.value_bytes.get(pointer.map_fd, MAX_SIZE)
            if low < 0 or high >= MAX_SIZE:
                self._problem("an offset into a map's value is not provably in bounds")
            elif high + size > room:
                self._problem(f"{size} bytes at an offset of up to {high} in a map's value of {room}")

    # Calls and branches.

    def _jump(self, instruction: Instruction, state: State) -> None:
        if instruction.cls is Class.JMP32:
            self._problem("a 32-bit comparison (5.1)")
        elif instruction.operation == Jump.CALL:
            self._call(instruction, state)
            return
        elif instruction.operation == Jump.EXIT:
            return
        always = instruction.cls is Class.JMP and instruction.operation == Jump.JA
        ways = [(True, state)] if always else self._branches(instruction, state)
        for taken, after in ways:
            self._go(1 + instruction.offset if taken else 1, after)

    def _branches(self, instruction: Instruction, state: State) -> list[tuple[bool, State]]:
        """Each way on, with what it teaches."""
        left = state.registers[instruction.dst]
        right = state.registers[instruction.src] if instruction.by_register else known(instruction.imm)
        operation = instruction.operation
        if instruction.cls is Class.JMP32 or not isinstance(right, Scalar):
            return [(True, state), (False, state)]
        if isinstance(left, Pointer):
            null = right.constant == 0 and operation in {Jump.JEQ, Jump.JNE}
            empty = state.with_register(instruction.dst, known(0))
            return [(taken, empty if null and taken == (operation == Jump.JEQ) else state) for taken in (True, False)]
        if not isinstance(left, Scalar):
            return [(True, state), (False, state)]
        if not instruction.by_register and operation in {Jump.JEQ, Jump.JNE} and left.constant == right.constant:
            return [(operation == Jump.JEQ, state)]  # the one comparison whose outcome 4.14 decides
        ways = []
        for taken in (True, False):
            after = state
            if right.constant is not None:
                after = after.with_register(instruction.dst, refine(left, operation, right.constant, taken=taken))
            elif left.constant is not None and operation in MIRRORED:
                after = after.with_register(instruction.src, refine(right, MIRRORED[Jump(operation)], left.constant, taken=taken))
            ways.append((taken, after))
        return ways

    def _call(self, instruction: Instruction, state: State) -> None:
        helper = TRACING_4_14.get(instruction.imm)
        if instruction.src != 0:
            self._problem("a call of another function of the program (4.16)")
        elif helper is None:
            self._problem(f"helper {instruction.imm}, which tracing programs of 4.14 do not have")
        else:
            state = self._arguments(helper, state)
        table = state.registers[1]
        answer: Value = UNKNOWN
        if instruction.src == 0 and instruction.imm == LOOKUP:
            answer = Pointer(Place.MAP_VALUE, known(0), table.map_fd) if isinstance(table, Pointer) else None
            answer = answer or Pointer(Place.MAP_VALUE, known(0))
        after = state
        for number in range(1, 6):
            after = after.with_register(number, None)
        self._go(1, after.with_register(0, answer))

    def _arguments(self, helper: Helper, state: State) -> State:
        for number in helper.on_stack:
            value = state.registers[number]
            if not isinstance(value, Pointer) or value.place is not Place.STACK:
                found = value.place.value if isinstance(value, Pointer) else "something else"
                self._problem(f"{helper.name}: r{number} points to {found}; until 4.18 it must be the stack")
            elif value.fixed is None:
                self._problem(f"{helper.name}: r{number} points to the stack at an offset that is not a constant")
        return self._sized(helper, state) if helper.memory else state

    def _sized(self, helper: Helper, state: State) -> State:
        """Check a helper's memory and its size; the state after what it writes."""
        pointer, size = state.registers[helper.memory], state.registers[helper.memory + 1]
        if not isinstance(size, Scalar) or size.slow < 0 or size.high >= MAX_SIZE:
            self._problem(f"{helper.name}: the size in r{helper.memory + 1} is not provably bounded")
            return state
        if size.low < 1:
            self._problem(f"{helper.name}: the size in r{helper.memory + 1} is not provably 1 or more")
        if not isinstance(pointer, Pointer) or pointer.place not in {Place.STACK, Place.MAP_VALUE}:
            self._problem(f"{helper.name}: r{helper.memory} does not point to the stack or a map's value")
            return state
        self._bounds(pointer, size.high)
        if helper.writes and pointer.place is Place.STACK and pointer.fixed is not None:
            return state.with_stack(pointer.fixed, size.high, None)
        return state


def _narrow(value: Value, *, constant: bool) -> Value:
    """What a 32-bit move leaves: 4.14 keeps a constant and forgets every other bound."""
    if constant and isinstance(value, Scalar):
        return known(value.low & 0xFFFFFFFF)
    return at_most(0xFFFFFFFF)
