# SPDX-License-Identifier: Apache-2.0
"""
Where control goes, and whether it comes back.

A jump to an earlier instruction is no loop by itself: clang lays out blocks
as it likes, and 4.14 takes such a program as long as no way leads through the
same instruction twice. So loops are looked for as the kernel does, by depth
first search, and not by the sign of an offset.

Source: kernel/bpf/verifier.c of 4.14, check_cfg(), "back-edge from insn".
"""

from __future__ import annotations

from kernels.check414.instructions import LOAD_64, Class, Instruction, Jump


def successors(program: list[Instruction], at: int) -> list[int]:
    """The instructions that can follow number *at*, the next one first; those outside the program are left out."""
    instruction = program[at]
    ways = [at + (2 if instruction.opcode == LOAD_64 else 1)]
    if instruction.cls in {Class.JMP, Class.JMP32}:
        if instruction.cls is Class.JMP and instruction.operation == Jump.EXIT:
            ways = []
        elif instruction.cls is Class.JMP and instruction.operation == Jump.JA:
            ways = [at + 1 + instruction.offset]
        elif instruction.operation != Jump.CALL:
            ways.append(at + 1 + instruction.offset)
    return [way for way in ways if 0 <= way < len(program)]


def walk_order(program: list[Instruction]) -> tuple[list[int], set[tuple[int, int]]]:
    """
    An order in which every reachable instruction comes after all that lead to it, and the jumps that close a loop.

    The order holds for the program without those jumps.
    """
    finished: list[int] = []
    loops: set[tuple[int, int]] = set()
    on_way, done = {0}, set()
    stack = [(0, iter(successors(program, 0)))]
    while stack:
        at, ways = stack[-1]
        following = next(ways, None)
        if following is None:
            stack.pop()
            on_way.discard(at)
            done.add(at)
            finished.append(at)
        elif following in on_way:
            loops.add((at, following))
        elif following not in done:
            on_way.add(following)
            stack.append((following, iter(successors(program, following))))
    return finished[::-1], loops
