# SPDX-License-Identifier: Apache-2.0
"""
Which cgroup hierarchy names workloads on this node, and what is in it.

The key of a workload is the kernfs id of its cgroup directory: on a pure v2
node the unified hierarchy's, on v1 and hybrid nodes a v1 controller's, because
there the unified tree need not hold the containers. This module finds that
hierarchy, says where the kernel keeps it (`subsys_candidates`; the probes prove
one on the agent itself), and walks it with a bound. What the paths mean is in
`sensor.workloads.containers`.

Sources: cgroups(7), proc(5) mountinfo; include/linux/cgroup_subsys.h;
kernel/cgroup/cgroup-v1.c proc_cgroupstats_show() (its lines are in the order of
css_set->subsys[]); fs/kernfs/mount.c kernfs_encode_fh().
"""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.counters import Count
from sensor.core.errors import KernelUnsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sensor.core.counters import Counters

    EnumLookup = Callable[[str, str], int | None]
    """Value of an enumerator in the kernel's BTF: ``("cgroup_subsys_id", "memory_cgrp_id")`` → 4; ``None`` when unknown."""

KEY_CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "devices", "freezer")
"""v1 controllers that every runtime puts its containers into, the surest first."""

MAX_DIRECTORIES = 100_000
"""Directories looked at in one scan: 50 times a full node's. Beyond it the scan stops and says so."""

_ENUMERATORS = {"blkio": "io_cgrp_id"}  # the one controller that v1 calls by another name: SUBSYS(io), legacy_name "blkio"
_MAX_SUBSYSTEMS = 16  # CGROUP_SUBSYS_COUNT: 14 to 16 in every kernel since 4.14; kernel/cgroup/cgroup.c asserts it stays small
_OCTAL = re.compile(r"\\([0-7]{3})")

_FILEID_KERNFS = 0xFE  # include/linux/exportfs.h; since 5.5 the handle is the 64-bit id
_ID_BYTES = 8
_HANDLE_BYTES = 128  # MAX_HANDLE_SZ
_AT_FDCWD = -100


class Mode(Enum):
    """How the node mounts its cgroups."""

    UNIFIED = "v2"
    HYBRID = "hybrid"
    LEGACY = "v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The hierarchy whose directories are the keys of workloads."""

    mode: Mode
    """UNIFIED means that the key is the v2 hierarchy's."""

    mount_point: Path
    """Where its root is mounted, as this process sees it."""

    controller: str
    """The v1 controller as /proc/cgroups lists it; empty on v2."""

    whole: bool
    """
    The mount shows the hierarchy from its root. Not so in a container with a
    cgroup namespace: then a scan sees only our own cgroups, and workloads are
    learned from frames, whose paths the kernel reads up to the real root.
    """


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    point: str
    kind: str
    options: frozenset[str]


def detect(*, proc: Path = Path("/proc"), host_root: Path = Path("/"), pid: str = "self") -> Hierarchy:
    """
    Find the hierarchy that names workloads.

    Args:
        proc: where procfs is mounted.
        host_root: what the mount points are below; ``/proc/1/root`` when *pid* is ``1``.
        pid: whose mounts are read.

    Raises:
        KernelUnsupported: no cgroup hierarchy is mounted that could be a key.
    """
    try:
        mounts = _cgroup_mounts((proc / pid / "mountinfo").read_text(errors="surrogateescape"))
    except OSError as error:
        raise KernelUnsupported(f"{error.filename} cannot be read: {error.strerror}", hint="mount procfs") from error
    unified = next((mount for mount in mounts if mount.kind == "cgroup2"), None)
    legacy = [(name, mount) for name in KEY_CONTROLLERS for mount in mounts if mount.kind == "cgroup" and name in mount.options]
    if legacy and (unified is None or legacy[0][0] in KEY_CONTROLLERS[:2]):
        controller, mount = legacy[0]
        mode = Mode.LEGACY if unified is None else Mode.HYBRID
    elif unified is not None:  # also with a v1 net_cls or the like beside it
        controller, mount, mode = "", unified, Mode.UNIFIED
    else:
        raise KernelUnsupported("no cgroup hierarchy is mounted", hint="mount one: mount -t cgroup2 none /sys/fs/cgroup")
    point = host_root / mount.point.lstrip("/")
    return Hierarchy(mode=mode, mount_point=point, controller=controller, whole=_is_root(point))


def controllers(proc_cgroups: str) -> tuple[str, ...]:
    """
    Return the controllers that /proc/cgroups lists, in its order.

    The order is css_set->subsys[]'s; 6.13 and later leave out those without a
    v1 side, so the place in the list is a first guess there and no proof.
    """
    rows = [line.split() for line in proc_cgroups.splitlines() if line and not line.startswith("#")]
    return tuple(row[0] for row in rows if row)


def subsys_index(controller: str, lookup: EnumLookup) -> int | None:
    """
    Return the place of *controller* in css_set->subsys[] by the kernel's own enum.

    Args:
        controller: as /proc/cgroups lists it.
        lookup: asks BTF for an enumerator's value.
    """
    return lookup("cgroup_subsys_id", _ENUMERATORS.get(controller, f"{controller}_cgrp_id"))


def subsys_candidates(controller: str, proc_cgroups: str, lookup: EnumLookup | None = None) -> tuple[int, ...]:
    """
    Return the places in css_set->subsys[] where *controller* may be, likeliest first.

    The probes prove one at start: they read the agent's own cgroup there, and
    the id must be the one that `kernfs_id` gives for it. What BTF says stands
    first, then the place in /proc/cgroups, then those near it.
    """
    listed = controllers(proc_cgroups)
    guess = listed.index(controller) if controller in listed else 0
    known = subsys_index(controller, lookup) if lookup is not None else None
    near = sorted(range(_MAX_SUBSYSTEMS), key=lambda index: (abs(index - guess), -index))
    first = () if known is None else (known,)
    return (*first, *(index for index in near if index != known))


def own_path(hierarchy: Hierarchy, proc_self_cgroup: str) -> str:
    """
    Return the agent's own cgroup in *hierarchy*, as ``/proc/self/cgroup`` has it.

    Raises:
        KernelUnsupported: the hierarchy is not in it.
    """
    for line in proc_self_cgroup.splitlines():
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if (number == "0" and not names) if not hierarchy.controller else hierarchy.controller in names.split(","):
            return path
    raise KernelUnsupported(f"/proc/self/cgroup does not list {hierarchy.controller or 'the unified hierarchy'}")


def kernfs_id(path: Path | str | bytes) -> int:
    """
    Return the id by which the kernel knows the cgroup directory *path*.

    From 5.5 on it is the 64 bits of the file handle. Before, the handle has
    another form and the inode number is the id's lower half, which is all that
    frames carry there (the probes mask it to 32 bits).

    Raises:
        OSError: the directory cannot be reached.
    """
    handle = _Handle(_HANDLE_BYTES, 0)
    mount_id = ctypes.c_int()
    failed = _libc().name_to_handle_at(_AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0)
    if not failed and handle.kind == _FILEID_KERNFS and handle.size_bytes == _ID_BYTES:
        return int.from_bytes(bytes(handle.value[:_ID_BYTES]), "little")
    return Path(os.fsdecode(path)).stat().st_ino


def scan(root: Path, *, counters: Counters, max_directories: int = MAX_DIRECTORIES) -> Iterator[tuple[int, bytes]]:
    """
    Walk a hierarchy, parents before children.

    Args:
        root: the hierarchy's mount point.
        counters: told when the bound was reached and what could not be read.
        max_directories: most directories, the root included.

    Yields:
        (kernfs id, path below *root* with a leading slash; ``b"/"`` for the
        root itself). Directories that vanish meanwhile are left out.

    Raises:
        OSError: *root* itself cannot be read.
    """
    base = os.fsencode(root)
    seen = 1
    yield kernfs_id(base), b"/"
    waiting = [b""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(base + below) as entries:
                directories = ((below + b"/" + entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False))
                children = sorted(islice(directories, max_directories - seen + 1))  # one more than fits, to see that it does not
        except OSError:
            if not below:
                raise
            counters.add(Count.WORKLOADS_SCAN_UNREADABLE)
            continue
        for path, inode in children:
            if seen >= max_directories:
                counters.add(Count.WORKLOADS_SCAN_CUT)
                return
            seen += 1
            yield inode, path  # kernfs_fop_readdir() gives the same number as kernfs_id()
        waiting += [path for path, _ in reversed(children)]


class PathFinder:
    """
    The whole path of a cgroup by its id, for paths that frames could only carry in part.

    Works from kernel 5.5 on and needs CAP_DAC_READ_SEARCH (open_by_handle_at(2));
    otherwise every answer is ``None``. Takes up to 0.1 ms a call.

    Args:
        root: the hierarchy's mount point, which is held open.

    Raises:
        OSError: *root* cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._prefix = _path_of(self._root).rstrip("/")

    def close(self) -> None:
        """Let go of the mount; every later answer is ``None``."""
        if self._root >= 0:
            os.close(self._root)
        self._root = -1

    def __call__(self, cgroup_id: int) -> bytes | None:
        """Return the path below the root with a leading slash, or ``None`` when the cgroup is gone or cannot be asked for."""
        if self._root < 0 or not 0 < cgroup_id < 1 << 64:
            return None
        handle = _Handle(_ID_BYTES, _FILEID_KERNFS)
        handle.value[:_ID_BYTES] = list(cgroup_id.to_bytes(_ID_BYTES, "little"))
        found = _libc().open_by_handle_at(self._root, ctypes.byref(handle), os.O_PATH | os.O_CLOEXEC)
        if found < 0:
            return None
        try:
            path = _path_of(found)
            if not path.startswith(self._prefix + "/") or Path(path).stat().st_ino != cgroup_id:  # removed in between, or not below our mount
                return None
            return os.fsencode(path[len(self._prefix) :])
        except OSError:
            return None
        finally:
            os.close(found)


class Removal:
    """
    Whether a cgroup of which the whole path is known was removed: its directory is not there, or is another.

    Only a mount that shows the hierarchy from its root can tell; with another every answer is no.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        self._point = os.fsencode(hierarchy.mount_point) if hierarchy.whole else b""

    def __call__(self, cgroup_id: int, path: bytes) -> bool:
        """Return it; no when the kernel does not say."""
        if not self._point:
            return False
        try:
            inode = os.stat(self._point + path, follow_symlinks=False).st_ino  # noqa: PTH116  # bytes
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False
        return (inode ^ cgroup_id) & 0xFFFFFFFF != 0  # below 5.5 an id has no more bits than that


class _Handle(ctypes.Structure):
    """``struct file_handle``, name_to_handle_at(2)."""

    _fields_ = (("size_bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("value", ctypes.c_ubyte * _HANDLE_BYTES))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)  # the loader knows it already: this is a look-up, not a load


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _is_root(point: Path) -> bool:
    """Whether *point* is its hierarchy's own root: kernfs gives the root its first inode number, 1."""
    try:
        return point.stat().st_ino == 1
    except OSError:
        return False


def _cgroup_mounts(mountinfo: str) -> list[_Mount]:
    """The cgroup mounts, those of a hierarchy's root first."""
    mounts = []
    for line in mountinfo.splitlines():
        front, _, back = line.partition(" - ")
        left, right = front.split(" "), back.split(" ")
        if len(left) < 6 or len(right) < 3 or right[0] not in {"cgroup", "cgroup2"}:  # noqa: PLR2004  # the fixed columns, proc(5)
            continue
        mounts.append(_Mount(_unescaped(left[3]), _unescaped(left[4]), right[0], frozenset(right[2].split(","))))
    return sorted(mounts, key=lambda mount: mount.root != "/")


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
