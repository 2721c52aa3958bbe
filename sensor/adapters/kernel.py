# SPDX-License-Identifier: Apache-2.0
"""
BCC, behind typed functions. Imported by the loader alone.

Needs Debian's ``python3-bpfcc`` (or a distribution's equal). The package named
``bcc`` on the Python package index is something else with the same name.
BCC raises bare ``Exception`` and writes the compiler's or the verifier's words
to descriptor 2; the loader captures that descriptor and reports it whole.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from typing import Any

from sensor.core.errors import EnvironmentRefusal, ProbeError

_RETRIES = 5
"""A signal during BPF_PROG_LOAD makes it return EAGAIN; trying again is what the kernel asks for."""


def _module() -> Any:  # noqa: ANN401  # bcc is untyped
    try:
        import bcc  # noqa: PLC0415  # the environment must be set before it is imported
    except ImportError as error:
        raise EnvironmentRefusal("BCC is not installed", hint="install Debian's python3-bpfcc (apt-get install python3-bpfcc)") from error
    if not hasattr(bcc, "BPF"):
        raise EnvironmentRefusal(
            f"the Python package bcc at {getattr(bcc, '__file__', '?')} is not the BPF Compiler Collection",
            hint="uninstall it (pip uninstall bcc) and install the distribution's python3-bpfcc",
        )
    return bcc


class Unit:
    """A compiled unit: its programs can be loaded and attached, its maps have descriptors."""

    def __init__(self, text: str, flags: tuple[str, ...], *, debug: bool = False) -> None:
        """
        Compile *text*.

        Args:
            text: the unit.
            flags: for clang.
            debug: keep what tells the verifier's messages file and line; a quarter of the time to compile.

        Raises:
            ProbeError: clang refused it; its words are on descriptor 2.
        """
        self._bcc = _module()
        try:
            self._bpf = self._bcc.BPF(text=text, cflags=[*flags, "-Wno-unused-function", "-Wno-duplicate-decl-specifier", *(() if debug else ("-g0",))])
        except Exception as error:  # all that BCC raises
            raise ProbeError(f"the BPF compiler refused the unit: {error}") from error

    def map_fd(self, name: str) -> int:
        """Descriptor of a map, by its name in C; ``BPF[name]`` would describe the value's type first, which fails on unions."""
        fd = int(self._bcc.lib.bpf_table_fd(self._bpf.module, name.encode()))
        if fd < 0:
            raise ProbeError(f"the unit has no map {name}")
        return fd

    def map_fds(self) -> dict[int, str]:
        """Every map of the unit, by descriptor."""
        lib, module = self._bcc.lib, self._bpf.module
        lib.bpf_table_name.restype = ctypes.c_char_p
        return {int(lib.bpf_table_fd_id(module, place)): lib.bpf_table_name(module, place).decode() for place in range(lib.bpf_num_tables(module))}

    def load(self, function: str, *, raw: bool) -> int:
        """Load a program and return its descriptor; raises ProbeError when the verifier refuses it."""
        kind = self._bcc.BPF.RAW_TRACEPOINT if raw else self._bcc.BPF.TRACEPOINT
        for attempt in range(_RETRIES):
            try:
                return int(self._bpf.load_func(function.encode(), kind).fd)
            except Exception as error:  # all that BCC raises
                if ctypes.get_errno() == errno.EAGAIN and attempt < _RETRIES - 1:
                    continue
                raise ProbeError(f"the kernel refused program {function}: {error}") from error
        raise ProbeError(f"the kernel refused program {function} {_RETRIES} times with EAGAIN")

    def instructions(self, function: str) -> bytes:
        """The program's instructions as given to the verifier, eight bytes each."""
        return bytes(self._bpf.dump_func(function.encode()))

    def attach_tracepoint(self, program_fd: int, category: str, event: str) -> int:
        """Attach to a tracepoint; the descriptor returned keeps it attached."""
        return self._attached(self._bcc.lib.bpf_attach_tracepoint(program_fd, category.encode(), event.encode()), f"{category}:{event}")

    def attach_raw(self, program_fd: int, event: str) -> int:
        """Attach to a raw tracepoint; the descriptor returned keeps it attached."""
        return self._attached(self._bcc.lib.bpf_attach_raw_tracepoint(program_fd, event.encode()), f"raw {event}")

    def set_program(self, array: str, index: int, program_fd: int) -> None:
        """Put a program into an array of programs."""
        key, value = ctypes.c_int(index), ctypes.c_int(program_fd)
        if self._bcc.lib.bpf_update_elem(self.map_fd(array), ctypes.byref(key), ctypes.byref(value), 0):
            raise ProbeError(f"the kernel refused program {index} of {array}: {os.strerror(ctypes.get_errno())}")

    def _attached(self, fd: int, what: str) -> int:
        if fd < 0:
            code = ctypes.get_errno()
            raise ProbeError(f"cannot attach to {what}: {os.strerror(code) if code else 'refused'}")
        return fd


def version() -> str:
    """The version BCC gives itself."""
    return str(getattr(_module(), "__version__", "unknown"))


def monotonic_s() -> float:
    """Seconds for the loader's own timings."""
    return time.monotonic()
