# SPDX-License-Identifier: Apache-2.0
"""
Asking the kernel what it would load, by bpf(2) itself.

A handful of instructions is loaded, or a small map made, and closed at once;
the kernel's answer is the feature. Nothing is attached and nothing runs. The
agent's own maps and programs are the business of other adapters.

Source: bpf(2), include/uapi/linux/bpf.h (union bpf_attr), Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
"""The call's number (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h)."""

_MAP_CREATE, _PROG_LOAD = 0, 5

PROG_TRACEPOINT, PROG_RAW_TRACEPOINT = 5, 17
"""BPF_PROG_TYPE_…"""

MAP_ARRAY, MAP_RINGBUF = 2, 27
"""BPF_MAP_TYPE_…"""

_LOAD_ATTEMPTS = 20
"""A signal during the verifier makes the kernel answer EAGAIN (bpf_check(), signal_pending): ask again, but not for ever."""

_PROG_ATTRIBUTES = struct.Struct("<IIQQIIQII")
"""prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version, prog_flags: what 4.14 knows already."""

_MAP_ATTRIBUTES = struct.Struct("<IIIII")
"""map_type, key_size, value_size, max_entries, map_flags."""

_INSTRUCTION = struct.Struct("<BBhi")
"""opcode, destination | source << 4, jump or memory offset, immediate."""


def instruction(opcode: int, *, dst: int = 0, src: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One eBPF instruction, 8 bytes."""
    return _INSTRUCTION.pack(opcode, dst | src << 4, offset, immediate)


def move(register: int, value: int) -> bytes:
    """``rN = value``."""
    return instruction(0xB7, dst=register, immediate=value)


def move_register(register: int, source: int) -> bytes:
    """``rN = rM``."""
    return instruction(0xBF, dst=register, src=source)


def add(register: int, value: int) -> bytes:
    """``rN += value``."""
    return instruction(0x07, dst=register, immediate=value)


def call(helper: int) -> bytes:
    """Call the helper with number *helper* (``enum bpf_func_id``)."""
    return instruction(0x85, immediate=helper)


def jump_if_less(register: int, value: int, by: int) -> bytes:
    """``if rN < value`` jump *by* instructions, counted from the next one; 4.14 and later."""
    return instruction(0xA5, dst=register, offset=by, immediate=value)


def load_u64(register: int, source: int, offset: int) -> bytes:
    """``rN = *(u64 *)(rM + offset)``."""
    return instruction(0x79, dst=register, src=source, offset=offset)


EXIT = instruction(0x95)
"""``return r0``."""


def try_program(program_type: int, instructions: bytes) -> int:
    """
    Let the kernel verify a program and throw it away.

    Returns:
        0 when it loaded, else the errno: EINVAL for what the kernel does not
        know, EPERM without the right to load at all, ENOSYS without bpf(2).
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_text = ctypes.create_string_buffer(b"GPL")
    attributes = _PROG_ATTRIBUTES.pack(
        program_type, len(instructions) // _INSTRUCTION.size, ctypes.addressof(code), ctypes.addressof(license_text), 0, 0, 0, 0, 0
    )
    for _ in range(_LOAD_ATTEMPTS):
        result = _ask(_PROG_LOAD, attributes)
        if result != errno.EAGAIN:
            break
    return result


def try_map(map_type: int, *, key_bytes: int, value_bytes: int, max_entries: int) -> int:
    """Let the kernel make a map and close it at once. Returns 0 or the errno; EPERM below 5.11 may be RLIMIT_MEMLOCK."""
    return _ask(_MAP_CREATE, _MAP_ATTRIBUTES.pack(map_type, key_bytes, value_bytes, max_entries, 0))


def _ask(command: int, attributes: bytes) -> int:
    number = _BPF_SYSCALL.get(platform.machine())
    if number is None:
        return errno.ENOSYS
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.syscall(ctypes.c_long(number), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes))))
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return 0
