# SPDX-License-Identifier: Apache-2.0
"""
Start the tools a guest is made with; the only place that does, apart from QEMU itself.

Promised: the arguments are never given to a shell, a failure names the tool
and shows the end of what it said, and a tool that is not there is an error
that names Debian's package.
"""

from __future__ import annotations

import os
import shutil
import subprocess  # noqa: TID251  # tooling, not the agent
from typing import TYPE_CHECKING

from kernels.run.errors import BuildFailed, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PACKAGE_OF_TOOL = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "busybox": "busybox-static",
    "debootstrap": "debootstrap",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg": "dpkg",
    "git": "git",
    "mke2fs": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "xz": "xz-utils",
    "zstd": "zstd",
}
"""Every program the guest tooling starts, and where Debian has it."""

SBIN = "/usr/sbin:/sbin"  # debootstrap, mke2fs and depmod live there, which a user's PATH may not have

TAIL_LINES = 15  # of a failed tool's words: enough for mke2fs's and apt's whole complaint


def search_path() -> str:
    """The PATH tools are looked up in: the caller's, and the administrator's folders behind it."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{SBIN}"


def missing_tools() -> list[str]:
    """The Debian packages to install before a guest can be made, sorted; empty when all is there."""
    return sorted({package for tool, package in PACKAGE_OF_TOOL.items() if shutil.which(tool, path=search_path()) is None})


def require_tools() -> None:
    """
    Refuse early and completely.

    Raises:
        ToolMissing: programs are missing (all are named), or the caller is not
            root, which debootstrap and the owners on the guest's disk need.
    """
    packages = missing_tools()
    if packages:
        raise ToolMissing(f"programs are missing; install Debian's {' '.join(packages)}")
    if os.geteuid() != 0:
        raise ToolMissing("making a guest's root needs root (debootstrap, file owners on its disk)")


def run(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
    """
    Run *argv* to its end.

    Args:
        argv: The program and its arguments.
        env: Variables set on top of the caller's.
        cwd: Where it runs.
        stdin: What it reads.

    Returns:
        Its standard output.

    Raises:
        BuildFailed: it could not be started or its status was not 0.
    """
    words = [str(word) for word in argv]
    full_env = {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(words, env=full_env, cwd=cwd, input=stdin, capture_output=True, check=False)  # noqa: S603  # no shell, and the program is one of ours
    except OSError as error:
        raise BuildFailed(f"{words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace").splitlines()[-TAIL_LINES:]
        raise BuildFailed(f"{words[0]} ended with {done.returncode}:\n" + "\n".join(f"    {line}" for line in said))
    return done.stdout
