# SPDX-License-Identifier: Apache-2.0
"""
One boot of one machine: start QEMU, pass its console on line by line, end it.

Software emulation only. ``/dev/kvm`` inside a cloud machine may exist and hang
on a stock kernel, and a test that is fast on one machine and stuck on the next
is worth less than one that is always slow.

Promised: QEMU never outlives this process (the kernel kills it when we die,
however we die), and a guest that hangs is cut at its deadline.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess  # noqa: TID251  # tooling, not the agent
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernels.run.commands import search_path
from kernels.run.errors import GuestDied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROCESSORS = 2  # races between processors are part of what is tested; more would only share the host's two
MEMORY_MIB = 1536  # compiling with BCC takes 250 MiB; the rest is page cache and containers
TAIL_LINES = 40  # of the console in an error: a kernel's whole oops
LINE_BYTES = 4096  # a console that never ends a line is cut into lines of this length


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """The guest's three disks, in the order it sees them (vda, vdb, vdc)."""

    root: Path
    """Never written: changes go to a file that vanishes."""

    payload: Path
    """The same."""

    results: Path
    """Written by the guest, read back by us."""


def command_line(*, image: Path, initramfs: Path, disks: Disks) -> list[str]:
    """QEMU's arguments. ``setpriv`` asks the kernel to kill it with us; ``nice`` lets the host's own work go first."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "nice", "-n", "10"),
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio"),
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)),
        *("-kernel", str(image), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 panic=-1 oops=panic quiet mitigations=off random.trust_cpu=on"),
        *("-drive", f"file={disks.root},format=raw,if=virtio,snapshot=on"),
        *("-drive", f"file={disks.payload},format=raw,if=virtio,snapshot=on"),
        *("-drive", f"file={disks.results},format=raw,if=virtio,cache=unsafe"),
    ]


def boot(argv: list[str], *, timeout_s: float, on_line: Callable[[str], None], scratch: Path) -> list[str]:
    """
    Run the machine until it switches itself off.

    Args:
        argv: From `command_line`.
        timeout_s: Wall-clock seconds from start to power-off.
        on_line: Called with each console line, control characters removed.
        scratch: QEMU's temporary files go there.

    Returns:
        The last lines of the console, for whoever finds that something is missing.

    Raises:
        GuestDied: the deadline passed, or QEMU itself failed.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def line(raw: bytes) -> None:
        text = "".join(char if char.isprintable() or char == "\t" else "" for char in raw.decode(errors="replace"))
        tail.append(text)
        on_line(text)

    env = {**os.environ, "PATH": search_path(), "TMPDIR": str(scratch)}
    process = subprocess.Popen(  # noqa: S603  # no shell; the arguments are command_line's
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
    )
    try:
        in_time = _drain(process, time.monotonic() + timeout_s, line)
        status = process.wait(timeout=10) if in_time else 0
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if not in_time:
        raise GuestDied(f"the guest was not done after {timeout_s:.0f} s and was cut; its console ends:\n{indent(tail)}")
    if status != 0:
        raise GuestDied(f"QEMU ended with {status}; its console ends:\n{indent(tail)}")
    return list(tail)


def _drain(process: subprocess.Popen[bytes], deadline: float, line: Callable[[bytes], None]) -> bool:
    """Read until the console closes (True) or *deadline*, on the monotonic clock, has passed (False)."""
    if process.stdout is None:
        raise AssertionError("started with a pipe")
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0:
            if not selector.select(left_s):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            *whole, pending = (pending + chunk).split(b"\n")
            for raw in whole:
                line(raw)
            if len(pending) > LINE_BYTES or (not chunk and pending):
                line(pending)
                pending = b""
            if not chunk:
                return True
    if pending:
        line(pending)
    return False


def indent(lines: deque[str] | list[str]) -> str:
    """Console lines as part of a message."""
    return "\n".join(f"    | {text}" for text in lines)
