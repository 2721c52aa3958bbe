# SPDX-License-Identifier: Apache-2.0
"""
Offsets from kernel headers, for nodes without BTF: the second source, a few seconds.

The compiler that is there for the probes is asked what ``offsetof`` is
(`sensor.adapters.constants`). Headers are looked for where distributions
install them (``/lib/modules/RELEASE/build``, Debian with ``source`` beside it)
and in the kernel itself (``/sys/kernel/kheaders.tar.xz``, CONFIG_IKHEADERS);
those of another kernel are refused by their ``utsrelease.h``.

Two structures are private to fs/ and in no headers. Their first members have
been the same since 3.13, but for one change, and are written out below; the
proof on the agent itself (`sensor.probes.proof`) holds them to account.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sensor.adapters.constants import Constants, evaluate
from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.model import Answer, label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sensor.probes.offsets.wanted import Wanted

    Evaluate = Callable[..., Constants]

KHEADERS = Path("/sys/kernel/kheaders.tar.xz")
MODULES = Path("/lib/modules")

_MAX_KHEADERS_BYTES = 400 << 20
"""Unpacked size that is still believed; real ones are 30 to 60 MiB."""

INCLUDES = """
#include <linux/version.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/pid.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/cred.h>
#include <linux/nsproxy.h>
#include <linux/ns_common.h>
#include <linux/pid_namespace.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/fdtable.h>
#include <linux/mm_types.h>
#include <linux/mount.h>
#include <linux/cgroup-defs.h>
#include <linux/kernfs.h>
#include <linux/binfmts.h>
#include <linux/net.h>
#include <net/sock.h>
#include <net/af_unix.h>
#include <linux/ptrace.h>

/* fs/mount.h, the same from 3.13 to 6.18. */
struct mount {
	struct hlist_node mnt_hash;
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

/* fs/mount.h; its count moved into ns_common in 5.11 (commit 1a7b8969e664). */
struct mnt_namespace {
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
	atomic_t count;
#endif
	struct ns_common ns;
	struct mount *root;
};
"""


def from_headers(wanted: Sequence[Wanted], release: str, *, modules: Path = MODULES, kheaders: Path = KHEADERS, evaluator: Evaluate = evaluate) -> Answer:
    """
    Ask the compiler, with the headers of kernel *release*.

    Raises:
        OffsetsUnknown: there are no headers of this kernel, or they do not compile.
    """
    build, source = modules / release / "build", modules / release / "source"
    if (build / "include").is_dir():
        tree = source if (source / "include").is_dir() else build
        return ask_tree(wanted, release, origin=f"headers:{build}", source=tree, build=build, evaluator=evaluator)
    if not kheaders.is_file():
        raise OffsetsUnknown(f"headers: neither {build} nor {kheaders} is there", hint="install the kernel's headers, or modprobe kheaders")
    with tempfile.TemporaryDirectory(prefix="scout-kheaders-") as folder:
        tree = Path(folder)
        _unpack(kheaders, tree)
        return ask_tree(wanted, release, origin=f"kheaders:{kheaders}", source=tree, build=tree, evaluator=evaluator)


def ask_tree(wanted: Sequence[Wanted], release: str, *, origin: str, source: Path, build: Path, evaluator: Evaluate = evaluate) -> Answer:
    """
    Ask the compiler with the headers in *source* and the generated ones in *build*.

    Raises:
        OffsetsUnknown: they are of another kernel, or do not compile.
    """
    _refuse_other_release(build, release, origin)
    questions = {f"__builtin_offsetof(struct {item.struct}, {spelling})": (item, spelling) for item in wanted for spelling in item.spellings}
    outcome = evaluator(INCLUDES, list(questions), source=source, build=build)
    if not outcome.values:
        words = outcome.diagnostics.strip().splitlines() or sorted(set(outcome.refused.values())) or ["the compiler said nothing"]
        raise OffsetsUnknown(f"{origin}: the headers do not compile: {words[0]:.300}")
    members: dict[str, int] = {}
    for question, (item, _) in questions.items():
        if question in outcome.values:
            members.setdefault(label(item), outcome.values[question])
    return Answer(source=origin, members=members)


def _refuse_other_release(build: Path, release: str, origin: str) -> None:
    try:
        text = (build / "include/generated/utsrelease.h").read_text("utf-8", "replace")
    except OSError:
        return
    found = re.search(r'UTS_RELEASE "([^"]*)"', text)
    if found and found[1] != release:
        raise OffsetsUnknown(f"{origin}: these are the headers of {found[1]:.80}, the kernel is {release}")


def _unpack(archive: Path, into: Path) -> None:
    """
    Write the archive's plain files below *into*.

    Links and devices are passed over, which the kernel's archive does not have
    (kernel/gen_kheaders.sh); a name that leads outside is a refusal. By hand,
    because Debian 12's Python 3.11.2 does not know ``extract(filter=…)`` yet.
    """
    try:
        with tarfile.open(archive, "r:xz") as tar:
            total_bytes = 0
            for entry in tar:
                total_bytes += entry.size
                name = PurePosixPath(entry.name)
                if total_bytes > _MAX_KHEADERS_BYTES or name.is_absolute() or ".." in name.parts:
                    raise OffsetsUnknown(f"kheaders: {archive} is not the kernel's: more than {_MAX_KHEADERS_BYTES >> 20} MiB, or a name outside")
                content = tar.extractfile(entry) if entry.isreg() else None
                if content is not None:
                    (into / name).parent.mkdir(parents=True, exist_ok=True)
                    (into / name).write_bytes(content.read())
    except (tarfile.TarError, OSError, EOFError, LZMAError) as error:
        raise OffsetsUnknown(f"kheaders: {archive} cannot be unpacked: {error}") from error
