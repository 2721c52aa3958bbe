# SPDX-License-Identifier: Apache-2.0
"""
Bring the kernel side up: find out what is there, load, prove.

`Startup` is made first and does its slow part in the loader child, so that the
agent reads its rules meanwhile. `KernelSide` is what runs afterwards: nothing
of it is believed before an act of the agent's own came back through it with the
values that /proc has, too.
"""

from __future__ import annotations

import os
import select
import threading
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.adapters.btf import VMLINUX_BTF, Btf
from sensor.core.errors import FrameError, KernelUnsupported, OffsetsUnknown, PrivilegeMissing, ProbeError, ScoutError
from sensor.core.kernel import running_kernel
from sensor.events.common import MAX_ANCESTORS, Lane
from sensor.events.decode import decode
from sensor.probes import features as kernel_features
from sensor.probes.assemble import flags
from sensor.probes.canary import Canaries, with_canaries
from sensor.probes.install import Installer
from sensor.probes.loader import Job
from sensor.probes.offsets.resolve import Places, resolve
from sensor.probes.offsets.tracepoints import find_tracefs
from sensor.probes.programs import PROBES
from sensor.probes.proof import MEMBERS, Truth, own_truth, prove
from sensor.probes.session import Buckets, LoaderProcess, Session
from sensor.probes.stream import Stream
from sensor.probes.table_layout import TABLE_KINDS
from sensor.probes.tables import build
from sensor.workloads import cgroups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sensor.core.clock import Clock
    from sensor.core.config import KernelConfig
    from sensor.core.paths import DataRoot
    from sensor.events.dimensions import Clause
    from sensor.probes.features import Features
    from sensor.probes.offsets.model import Offsets

CANARY_WAIT_S = 3.0
"""How long the first acts may take to come back; they take a millisecond, an emulated machine some hundred."""

CANARY_ROUNDS = 2
"""How often they are tried: where everybody acts at once, one may be lost."""

_INHERITED = (
    "uid", "gid", "euid", "egid", "loginuid", "sid", "pgid", "tty_dev", "cwd", "mnt_ns", "pid_ns", "net_ns", "user_ns", "cgroup_id", "cgroup_path",
)  # fmt: skip
"""What a child that only executes has in common with its parent."""

_WAYS = {"open": MEMBERS["path"], "connect": f"{MEMBERS['daddr']}, {MEMBERS['dport']}, {MEMBERS['family']}", "exec": MEMBERS["comm"]}
"""Kind → what stands between its act and its frame."""

_BY_SOCKET = f"connect/{Lane.COMMON.name.lower()}"
"""The canary whose peer is read from the socket; the other's comes with the tracepoint."""

_ID_MASK_32 = 0xFFFFFFFF
_ID_MASK_64 = 0xFFFFFFFFFFFFFFFF
_KERNFS_IDS_WIDE = (5, 5)
"""First version whose kernfs ids are 64 bits that user space sees whole (67c0496e87d1, "kernfs: convert kernfs_node->id from union kernfs_node_id to u64")."""


def _id_mask() -> int:
    return _ID_MASK_64 if running_kernel().numbers[:2] >= _KERNFS_IDS_WIDE else _ID_MASK_32


def _subsys(hierarchy: cgroups.Hierarchy) -> int | None:
    """Index of the v1 controller in css_set.subsys; None on cgroup v2."""
    if not hierarchy.controller:
        return None
    listed = Path("/proc/cgroups").read_text(encoding="ascii")
    try:
        with Btf(VMLINUX_BTF) as btf:
            return cgroups.subsys_candidates(hierarchy.controller, listed, btf.enumerator)[0]
    except ScoutError:
        return cgroups.subsys_candidates(hierarchy.controller, listed)[0]


def child_truth(truth: Truth) -> Truth:
    """What is true of a child that this process has started, as far as its parent knows."""
    own = truth.values
    values = {name: own[name] for name in _INHERITED if name in own}
    if "tgid" in own:
        ancestors = own.get("ancestors", ())
        assert isinstance(ancestors, tuple)  # noqa: S101  # for mypy: own_truth() makes it one
        values |= {"ppid": own["tgid"], "pcomm": own["comm"], "ancestors": ((own["tgid"], own["comm"]), *ancestors)[:MAX_ANCESTORS]}
    return Truth(values=values, chrooted=truth.chrooted)


class Startup:
    """The way from nothing to loaded probes, in two halves."""

    def __init__(self, config: KernelConfig, data: DataRoot, loader: LoaderProcess | None = None) -> None:
        """
        Give the loader its job; *loader* is one that was started already.

        Raises:
            PrivilegeMissing: not allowed to load programs.
            KernelUnsupported: the kernel lacks what no version of Scout can do without.
            OffsetsUnknown: no source has the offsets.
        """
        if os.geteuid() != 0:
            raise PrivilegeMissing("loading eBPF programs needs root", hint="run: sudo scout run")
        kernel = running_kernel()
        if kernel.old_enough_to_refuse:
            raise KernelUnsupported(f"kernel {kernel.release} is older than 4.14", hint="Scout runs on 4.14 and newer")
        self._config = config
        self._loader = loader or LoaderProcess()
        try:
            tracefs = find_tracefs()
            places = Places(table_file=config.offsets, tables=data.offsets if data.offsets.is_dir() else None, tracefs=tracefs)
            self.offsets: Offsets = resolve(places=places)
            self.features: Features = kernel_features.detect(tracefs).restricted(config.features).for_offsets(self.offsets.source)
            self.hierarchy = cgroups.detect()
            self._loader.give(
                Job(
                    bpf=str(data.bpf.resolve()),
                    flags=flags(data.bpf, self.features, self.offsets.flags(), subsys=_subsys(self.hierarchy), id_mask=_id_mask()),
                    features=asdict(self.features),
                    probes=tuple(probe.name for probe in PROBES),
                    cache=str(config.cache or ""),
                    kernel=f"{kernel.release} {kernel.build}",
                    dump=config.dump,
                )
            )
        except BaseException:
            self._loader.stop()
            raise

    def finish(self, clock: Clock, lost: Callable[[int], None]) -> KernelSide:
        """
        Bring up the kernel side on what the loader loaded.

        Raises:
            ProbeError: nothing could be loaded, or something could not and ``strict`` is set.
        """
        session = self.session()
        try:
            return KernelSide(self, session, clock, lost)
        except BaseException:
            session.close()
            raise

    def session(self) -> Session:
        """
        Take over what the loader loaded; the caller closes it.

        Raises:
            ProbeError: nothing could be loaded, or something could not and ``strict`` is set.
        """
        session = self._loader.finish(self._config.loader_timeout_s)
        missing = "\n".join(f"probe {name}: {why}" for name, why in session.failed.items())
        is_any_left = any(probe.kind in TABLE_KINDS and probe.name not in session.failed for probe in PROBES)
        if session.failed and (self._config.strict or not is_any_left):
            session.close()
            raise ProbeError(missing, hint="run scout doctor; without --strict the other probes go on" if is_any_left else "run scout doctor")
        return session

    def abandon(self) -> None:
        """End the loader: something else went wrong meanwhile. May be called at any time."""
        self._loader.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One table generation: what its bits stand for."""

    number: int
    clauses: Mapping[str, Sequence[Clause]]
    canaries: Mapping[str, int]
    """Kind → mask of the canaries' bits."""


class KernelSide:
    """The running probes, seen from the agent."""

    def __init__(self, startup: Startup, session: Session, clock: Clock, lost: Callable[[int], None]) -> None:
        self.features = startup.features
        self.offsets = startup.offsets
        self.hierarchy = startup.hierarchy
        self.session = session
        self.kinds = tuple(probe.kind for probe in PROBES if probe.name not in session.failed)
        self.agent_tgid = 0
        self._clock = clock
        self._installer = Installer(session.maps, clock, threading.Event().wait)
        session.configure(self_tgid=0, buckets=Buckets())
        self.stream = Stream(session.maps, ringbuf=self.features.ringbuf, lost=lost)
        self.canaries = Canaries(self.kinds)

    def install(self, clauses: Mapping[str, Sequence[Clause]]) -> Installed:
        """Make *clauses* (by event kind) the live generation. Raises TableError; the one before is live then."""
        tables, masks = {}, {}
        for kind in TABLE_KINDS:
            together, masks[kind] = with_canaries(clauses, self.canaries, kind)
            tables[kind] = build(together, canaries=masks[kind])
        return Installed(number=self._installer.install(tables), clauses=dict(clauses), canaries=masks)

    def own_cgroup(self) -> tuple[int, bytes]:
        """Id and path of the agent's own cgroup in the hierarchy that names workloads."""
        path = cgroups.own_path(self.hierarchy, Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape"))
        return cgroups.kernfs_id(self.hierarchy.mount_point / path.lstrip("/")) & _id_mask(), os.fsencode(path)

    def prove(self, installed: Installed) -> list[bytes]:
        """
        Act, wait until every canary came back, and compare what each says with the truth.

        Returns:
            The frames that came meanwhile and were no canary's, for the agent to handle.

        Raises:
            ProbeError: some acts of the agent's own do not come back.
            OffsetsUnknown: none of a kind does, or with values that /proc contradicts.
        """
        cgroup_id, cgroup_path = None, None
        with suppress(OSError, ScoutError):
            cgroup_id, cgroup_path = self.own_cgroup()
        truth = own_truth(cgroup_id=cgroup_id, cgroup_path=cgroup_path)
        others: list[bytes] = []
        with closing(select.epoll()) as poll:
            for fd in self.stream.epoll_fds:
                poll.register(fd, select.EPOLLIN)
            for _ in range(CANARY_ROUNDS):
                self.canaries.act()
                others += self._come_back(poll, installed, truth)
                if not self.canaries.missing():
                    break
        if missing := self.canaries.missing():
            raise self._nothing_came(missing)
        self.session.configure(self_tgid=self.agent_tgid, buckets=Buckets())
        return others

    def _nothing_came(self, missing: Sequence[str]) -> ScoutError:
        """What it means that canaries are missing: of a kind in every lane, that its way through the kernel is not as believed."""
        kinds = [kind for kind in _WAYS if all(f"{kind}/{lane.name.lower()}" in missing for lane in Lane) or (kind == "connect" and _BY_SOCKET in missing)]
        ways = "".join(f"\n  {kind}: found through {_WAYS[kind]}" for kind in kinds)
        text = f"acts of Scout's own did not come back: {', '.join(missing)}{ways}"
        hint = f"the offsets came from {self.offsets.source}; run scout doctor, and report this with scout support"
        return OffsetsUnknown(text, hint=hint) if kinds else ProbeError(text, hint=hint)

    def _come_back(self, poll: select.epoll, installed: Installed, truth: Truth) -> list[bytes]:
        """Take frames until no canary is missing, or for `CANARY_WAIT_S`; returns those that are no canary's."""
        others: list[bytes] = []
        ends_ns = self._clock.monotonic_ns() + int(CANARY_WAIT_S * 1e9)
        while self.canaries.missing() and (left_ns := ends_ns - self._clock.monotonic_ns()) > 0:
            poll.poll(left_ns / 1e9)
            for frame in self.stream.take():
                event = self._decoded(frame)
                if event is None or not self.take_canary(event, installed.canaries):
                    others.append(frame)
                elif event.kind_name != "exit":
                    self._compare(event, truth)
        return others

    def _compare(self, event: Any, truth: Truth) -> None:  # noqa: ANN401  # the event classes are generated
        """Hold a canary's event against the truth; whichever kinds are loaded, one of them proves who the agent is."""
        is_child = event.kind_name == "exec"
        if problems := prove(event, child_truth(truth) if is_child else truth, self.canaries.facts(event)):
            raise OffsetsUnknown(
                f"what the probes read about Scout itself ({event.kind_name}) is not true:\n  " + "\n  ".join(problems),
                hint=f"the offsets came from {self.offsets.source}; do not run with them, and report this with scout support",
            )
        self.agent_tgid = event.ppid if is_child else event.tgid

    @staticmethod
    def _decoded(frame: bytes) -> Any:  # noqa: ANN401  # the event classes are generated
        with suppress(FrameError):
            return decode(frame)
        return None

    def take_canary(self, event: Any, masks: Mapping[str, int]) -> bool:  # noqa: ANN401  # the event classes are generated
        """Whether *event* is an act of the agent's own for itself; it is remembered then, and no rule's business."""
        doer = event.ppid if event.kind_name == "exec" else event.tgid  # names are no proof: a canary's can be seen while it runs
        if self.agent_tgid and event.kind_name != "exit" and doer != self.agent_tgid:
            return False
        return self.canaries.take(event, masks.get(event.kind_name, 0))

    def close(self) -> None:
        """Detach everything and remove the canaries' files."""
        self.stream.close()
        self.canaries.close()
        self.session.close()
