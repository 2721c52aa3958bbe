# SPDX-License-Identifier: Apache-2.0
"""
The kernel's description of its own types (BTF), through libbpf.

Opens the 5 MB of ``/sys/kernel/btf/vmlinux`` once, answers where members lie,
and gives the memory back. Names are searched in anonymous structs and unions,
dotted paths descend into embedded ones. What is not a whole number of bytes (a
bit field) is "no such member": C code could not read it by its offset either.

Source: include/uapi/linux/btf.h (struct btf_type, struct btf_member), libbpf's btf.h.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sensor.core.errors import KernelUnsupported

if TYPE_CHECKING:
    from types import TracebackType

VMLINUX_BTF = Path("/sys/kernel/btf/vmlinux")
"""Where a kernel with CONFIG_DEBUG_INFO_BTF shows its types (5.4, and older where distributions took it back)."""

_LIBRARY = "libbpf.so.1"
_STRUCT, _UNION, _ENUM, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG = 4, 5, 6, 8, 9, 10, 11, 18
_PASS_THROUGH = frozenset({_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG})
_MAX_STEPS = 16
"""Typedefs and qualifiers in a row, and anonymous members in each other; deeper is a broken file."""

_Members = dict[bytes, tuple[int, int]]
"""Member name → (type id, offset in bits)."""


def load_libbpf() -> ctypes.CDLL:
    """
    Load libbpf 1.x.

    Raises:
        KernelUnsupported: the library is not installed.
    """
    try:
        return ctypes.CDLL(_LIBRARY, use_errno=True)
    except OSError as error:
        raise KernelUnsupported(f"{_LIBRARY} cannot be loaded: {error}", hint="install libbpf: apt-get install libbpf1") from error


def libbpf_version() -> str:
    """The library's own version, ``v1.1``; empty when there is no libbpf 1.x."""
    try:
        library = load_libbpf()
    except KernelUnsupported:
        return ""
    library.libbpf_version_string.restype = ctypes.c_char_p
    return str(library.libbpf_version_string().decode())


class Btf:
    """
    One BTF file, open. Use as a context manager: the memory is libbpf's and is freed at the end.

    Raises:
        KernelUnsupported: there is no such file (a kernel without BTF), it is not BTF, or libbpf is missing.
    """

    def __init__(self, path: Path = VMLINUX_BTF) -> None:
        if not path.is_file():
            raise KernelUnsupported(f"this kernel has no {path}", hint="CONFIG_DEBUG_INFO_BTF gives it; distributions have it from 5.4 or so")
        self.path = path
        self._library = _declare(load_libbpf())
        self._handle: int | None = self._library.btf__parse_raw(bytes(path))
        if not self._handle:
            raise KernelUnsupported(f"{path} cannot be read as BTF (error {ctypes.get_errno()})")
        self._cache: dict[int, _Members] = {}

    def __enter__(self) -> Self:
        """The open file."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the memory back, whatever happened."""
        self.close()

    def close(self) -> None:
        """Give libbpf's memory back; a second call does nothing."""
        if self._handle:
            self._library.btf__free(self._handle)
        self._handle = None
        self._cache.clear()

    def offset(self, struct: str, path: str) -> int | None:
        """
        Byte offset of the member *path* (``f_path.dentry``) from the start of ``struct`` *struct*.

        Returns:
            ``None`` when the structure or the member is not there, or is a bit field.
        """
        type_id = int(self._library.btf__find_by_name_kind(self._handle, struct.encode(), _STRUCT))
        if type_id <= 0:
            return None
        total_bits = 0
        for part in path.split("."):
            found = self._members(type_id).get(part.encode())
            if found is None:
                return None
            type_id = found[0]
            total_bits += found[1]
        return total_bits // 8 if total_bits % 8 == 0 else None

    def enumerator(self, enum: str, name: str) -> int | None:
        """Value of the enumerator *name* of ``enum`` *enum* (32 bits); ``None`` when it is not there."""
        type_id = int(self._library.btf__find_by_name_kind(self._handle, enum.encode(), _ENUM))
        if type_id <= 0:
            return None
        record, _ = self._resolve(type_id)
        for index in range(record[1] & 0xFFFF):
            name_at, value = record[3 + 2 * index : 5 + 2 * index]
            if self._library.btf__name_by_offset(self._handle, name_at) == name.encode():
                return ctypes.c_int32(value).value
        return None

    def _members(self, type_id: int) -> _Members:
        members = self._cache.get(type_id)
        if members is None:
            members = self._cache[type_id] = {}
            self._collect(type_id, 0, members, _MAX_STEPS)
        return members

    def _collect(self, type_id: int, base_bits: int, into: _Members, depth: int) -> None:
        """Add the members of a struct or union; those of anonymous members at their place. Bit fields are left out."""
        record, kind = self._resolve(type_id)
        if kind not in (_STRUCT, _UNION) or depth == 0:
            return
        has_bit_fields = record[1] >> 31
        name_of = self._library.btf__name_by_offset
        for index in range(record[1] & 0xFFFF):
            name_at, member_type, position = record[3 + 3 * index : 6 + 3 * index]
            if has_bit_fields:
                if position >> 24:
                    continue
                position &= 0xFFFFFF
            if name_at:
                into.setdefault(name_of(self._handle, name_at), (member_type, base_bits + position))
            else:
                self._collect(member_type, base_bits + position, into, depth - 1)

    def _resolve(self, type_id: int) -> tuple[ctypes._Pointer[ctypes.c_uint32], int]:
        """The type's record and kind, behind typedefs and qualifiers."""
        for _ in range(_MAX_STEPS):
            record = self._library.btf__type_by_id(self._handle, type_id)
            if not record:
                break
            kind = record[1] >> 24 & 0x1F
            if kind not in _PASS_THROUGH:
                return record, kind
            type_id = record[2]
        raise KernelUnsupported(f"{self.path}: type {type_id} leads nowhere")


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    library.btf__parse_raw.restype = ctypes.c_void_p
    library.btf__parse_raw.argtypes = [ctypes.c_char_p]
    library.btf__free.restype = None
    library.btf__free.argtypes = [ctypes.c_void_p]
    library.btf__type_by_id.restype = ctypes.POINTER(ctypes.c_uint32)
    library.btf__type_by_id.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.btf__find_by_name_kind.restype = ctypes.c_int32
    library.btf__find_by_name_kind.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
    library.btf__name_by_offset.restype = ctypes.c_char_p
    library.btf__name_by_offset.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    return library
