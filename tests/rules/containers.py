# SPDX-License-Identifier: Apache-2.0
"""
Real containers with runc alone: no engine, no image, no registry.

A container is a root made of busybox and dash (an overlay of its own over one base), an
OCI document and ``runc run``: its own mount, PID, network, IPC and UTS
namespaces, its own cgroup ``/scout-test/<64 hex digits>`` in whatever hierarchies
the machine has, the capabilities Docker gives. Promises: what it makes lies on
one tmpfs below the folder it is given and below the cgroup ``/scout-test``, and
`Containers.close` takes all of it away, also after a failure.

Rlimits and oom_score_adj are left alone: setting them needs CAP_SYS_RESOURCE.
"""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import select
import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rules import mounts
from tests.rules.waits import Deadline, patience_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CGROUP_PARENT = "scout-test"
BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static
SHELL = Path("/bin/dash")  # busybox's own shell runs its programs as /proc/self/exe, which is not what images do
BROKEN = {"sh", "ash", "wget"}  # the last: its look-up of names needs the C library it was linked with, and crashes without
RUN_S = 20.0  # a container is up and gone in 0.2 s
SHADOW = "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n"
TOKEN_FOLDER = Path("run/secrets/kubernetes.io/serviceaccount")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/shadow": SHADOW,
    "etc/hostname": "scout-test\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "",
    "root/.ssh/authorized_keys": "",
    f"{TOKEN_FOLDER}/..2026_01_02_03_04_05.678901234/token": "not-a-token\n",  # laid out as the kubelet does
}
LINKS = {
    "var/run": "/run",  # as Debian has it
    f"{TOKEN_FOLDER}/..data": "..2026_01_02_03_04_05.678901234",
    f"{TOKEN_FOLDER}/token": "..data/token",
}
FOLDERS = ("dev", "proc", "sys/fs/cgroup", "tmp", "usr/bin", "var/tmp", "home", "opt", "run", "mnt")
CAPABILITIES = [  # what Docker gives
    f"CAP_{name}"
    for name in "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE".split()
]


@dataclass(frozen=True)
class Result:
    """What a container left."""

    container_id: str
    exit_code: int
    output: bytes
    """Standard output and error together; with a terminal, as it came out of that."""


class ContainerFailed(Exception):
    """A container did not end, or runc itself failed; the message has its words."""


class Containers:
    """The containers of one test session; usable from several threads."""

    def __init__(self, folder: Path) -> None:
        """Make the base root on a tmpfs at *folder*/containers."""
        self.folder = folder / "containers"
        self.folder.mkdir()
        self._ids: set[str] = set()
        self._lock = threading.Lock()
        mounts.mount("scout-test", self.folder, "tmpfs", mounts.MS_NODEV, "mode=755")
        try:
            self._base = self.folder / "base"
            make_root(self._base)
        except BaseException:
            self.close()
            raise

    def run(
        self,
        command: Sequence[str | bytes],
        *,
        terminal: bool = False,
        network: str = "",
        files: Mapping[str, bytes] | None = None,
        own_cgroups: bool = False,
        container_id: str = "",
    ) -> Result:
        """
        Run *command* in a container of its own and wait until it is gone.

        Args:
            command: its first process's arguments; bytes only as far as they are UTF-8, because the OCI document is JSON.
            terminal: give it a terminal.
            network: a network namespace's path; by default an own one, loopback only.
            files: path → content of files that its root has, too; they can be executed.
            own_cgroups: mount its cgroups in it, writable, in a cgroup namespace.
            container_id: 64 hex digits; by default new ones.

        Raises:
            ContainerFailed: it did not end in `RUN_S`, or runc could not make it.
        """
        container_id = container_id or secrets.token_hex(32)
        bundle = self.folder / container_id
        with self._lock:
            self._ids.add(container_id)
        try:
            root = self._root(bundle, files or {})
            words = [word.decode() if isinstance(word, bytes) else word for word in command]
            document = oci_document(container_id, root, words, terminal=terminal, network=network, own_cgroups=own_cgroups)
            (bundle / "config.json").write_text(json.dumps(document))
            started = [*self._runc("run", "--bundle", str(bundle)), container_id]
            exit_code, output = run_with_terminal(started) if terminal else run_with_pipe(started)
            if b"runc run failed" in output or b"level=error" in output:
                raise ContainerFailed(output.decode(errors="replace"))
            return Result(container_id, exit_code, output)
        except subprocess.TimeoutExpired as error:
            raise ContainerFailed(f"{command} did not end: {(error.output or b'').decode(errors='replace')}") from error
        finally:
            self._remove(container_id)

    def close(self) -> None:
        """Take away what is left: containers, cgroups, mounts."""
        for container_id in list(self._ids):
            self._remove(container_id)
        for root in mounts.cgroup_roots():
            with suppress(OSError):
                (root / CGROUP_PARENT).rmdir()  # stays while another session has containers there
        for point in mounts.mounted_below(self.folder):
            mounts.unmount(point)
        with suppress(OSError):
            self.folder.rmdir()

    def _runc(self, action: str, *arguments: str) -> list[str]:
        return ["runc", "--root", str(self.folder / "state"), action, *arguments]

    def _root(self, bundle: Path, files: Mapping[str, bytes]) -> Path:
        """The container's own root: an overlay over the base, or a copy where there is no overlayfs."""
        root = bundle / "root"
        parts = [bundle / name for name in ("upper", "work")]
        for folder in (root, *parts):
            folder.mkdir(parents=True)
        try:
            mounts.mount("overlay", root, "overlay", 0, f"lowerdir={self._base},upperdir={parts[0]},workdir={parts[1]}")
        except OSError:
            shutil.copytree(self._base, root, symlinks=True, dirs_exist_ok=True)
        for name, content in files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755)
        return root

    def _remove(self, container_id: str) -> None:
        """Delete the container, its root and its cgroups, whatever state it is in."""
        bundle = self.folder / container_id
        if (self.folder / "state" / container_id).exists():
            subprocess.run([*self._runc("delete", "--force"), container_id], capture_output=True, check=False, timeout=patience_s(RUN_S))
        for point in mounts.mounted_below(bundle):
            mounts.unmount(point)
        shutil.rmtree(bundle, ignore_errors=True)
        for root in mounts.cgroup_roots():
            own = root / CGROUP_PARENT / container_id
            for folder in (*sorted(own.glob("*/"), reverse=True), own):
                with suppress(OSError):
                    folder.rmdir()
        with self._lock:
            self._ids.discard(container_id)


def make_root(base: Path) -> None:
    """A small distribution's root: busybox under each of its names, as hard links, and a shell with its libraries."""
    for name in FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    programs = base / "bin"
    programs.mkdir()
    shutil.copy(BUSYBOX, programs / "busybox")
    for name in subprocess.run([str(BUSYBOX), "--list"], capture_output=True, check=True, text=True).stdout.split():
        if name not in BROKEN | {"busybox"}:
            (programs / name).hardlink_to(programs / "busybox")
    os.link(programs / "env", base / "usr/bin/env")
    shutil.copy(SHELL, programs / "sh")
    for library in re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", str(SHELL)], capture_output=True, check=True, text=True).stdout):
        (base / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, base / library[1:])
    for name, content in FILES.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name, target in LINKS.items():
        (base / name).symlink_to(target)
    (base / "etc/shadow").chmod(0o640)
    (base / "tmp").chmod(0o1777)


def oci_document(container_id: str, root: Path, command: Sequence[str], *, terminal: bool, network: str, own_cgroups: bool) -> dict[str, object]:
    """What runc is told; runtime-spec 1.0.2, config.md and config-linux.md."""
    namespaces = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")] + [{"type": "network", **({"path": network} if network else {})}]
    binds = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "nodev", "mode=1777", "size=4m"]},
    ]
    if own_cgroups:
        namespaces.append({"type": "cgroup"})
        binds.append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "rw"]})
    return {
        "ociVersion": "1.0.2",
        "hostname": "scout-test",
        "process": {
            "terminal": terminal,
            "user": {"uid": 0, "gid": 0},
            "args": list(command),
            "env": ["PATH=/usr/bin:/bin", "HOME=/root", "TERM=dumb"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        },
        "root": {"path": str(root), "readonly": False},
        "mounts": binds,
        "linux": {"cgroupsPath": f"/{CGROUP_PARENT}/{container_id}", "namespaces": namespaces, "maskedPaths": [], "readonlyPaths": []},
    }


def run_with_pipe(command: Sequence[str]) -> tuple[int, bytes]:
    """Run, and return the exit code and all that was said; TimeoutExpired after `RUN_S`."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=patience_s(RUN_S))
    return done.returncode, done.stdout


def run_with_terminal(command: Sequence[str]) -> tuple[int, bytes]:
    """The same with a terminal of its own on descriptors 0, 1 and 2."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
            os.close(theirs)
            theirs = -1
            try:
                output = _read_all(ours, Deadline(RUN_S), command)
                return process.wait(patience_s(RUN_S)), output
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    finally:
        for descriptor in {ours, theirs} - {-1}:
            os.close(descriptor)


def _read_all(descriptor: int, deadline: Deadline, command: Sequence[str]) -> bytes:
    output = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while poll.poll(deadline.left_s() * 1000):
        try:
            data = os.read(descriptor, 65_536)
        except OSError:  # EIO: the other side is closed, tty_ioctl(4)
            return output
        if not data:
            return output
        output += data
    raise subprocess.TimeoutExpired(list(command), patience_s(RUN_S), output)
