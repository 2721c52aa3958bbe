# SPDX-License-Identifier: Apache-2.0
"""
The agent's side of the loader: start the child early, give it its job, take over.

Compiling takes most of a start, so the child is started first and works while
the agent reads rules. What it hands over are descriptors alone: as long as the
agent holds them the probes run, and when the agent is gone, by whatever signal,
the kernel closes them and nothing stays attached.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess  # the child's command line is a constant
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.adapters import libbpf
from sensor.core.errors import EnvironmentRefusal, ProbeError
from sensor.core.privileges import read_text
from sensor.events.losses import Loss
from sensor.events.registry import KINDS
from sensor.probes.loader import MAX_WORDS_BYTES, Answer, Job, send

if TYPE_CHECKING:
    from sensor.events.dimensions import Profile

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SETTINGS = struct.Struct("<II2Q2QII")
_BUCKET = struct.Struct("<QQQQ")
_BUCKET_KEY = struct.Struct("<QII")
_MAX_FDS = 200
FDINFO = Path("/proc/self/fdinfo")
"""What the kernel says of this process's descriptors, proc(5)."""
_LENGTH_BYTES = 4
_CHILD = """import sys
at = max((place for place, folder in enumerate(sys.path) if folder.endswith("lib-dynload")), default=-1)
sys.path.insert(at + 1, sys.argv[2])
from sensor.probes.loader import main
main()"""
"""The same modules as ours, behind Python's own. Not ``-m``, which looks in the current directory first: that may be anybody's, and the child is root."""
_EXIT_CODES = {4: EnvironmentRefusal, 5: ProbeError}


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Token buckets that every workload has, by lane (common, reserved)."""

    rate_per_s: tuple[int, int] = (1000, 250)
    """Frames a second that a workload may send for long. Too small shows as ``bucket_…`` losses and flood findings."""

    burst: tuple[int, int] = (1000, 250)
    """Frames that it may send at once after being quiet: a third of a lane's room, so that one workload never fills it alone."""


@dataclass(slots=True)
class Session:
    """Loaded probes. Hold it as long as they are to run; `close` detaches everything."""

    maps: dict[str, int] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Probe → why it is not there."""
    instructions: dict[str, int] = field(default_factory=dict)
    kept: str = ""
    """As in `sensor.probes.loader.Answer`."""

    def configure(self, *, self_tgid: int, buckets: Buckets) -> None:
        """Tell the programs who the agent is, and what a workload may send."""
        per_token = [1_000_000_000 // rate for rate in buckets.rate_per_s]
        depth = [cost * burst for cost, burst in zip(per_token, buckets.burst, strict=True)]
        libbpf.map_update(self.maps["settings"], _U32.pack(0), _SETTINGS.pack(self_tgid, 1, *per_token, *depth, root_device(), 0))
        for lane in range(len(per_token)):  # the bucket that workloads share when there is no room for their own is there from the start
            key = _BUCKET_KEY.pack(0, lane, 0)
            if libbpf.map_lookup(self.maps["buckets"], key, _BUCKET.size) is None:
                libbpf.map_update(self.maps["buckets"], key, bytes(_BUCKET.size))

    def set_profile(self, cgroup_id: int, profile: Profile) -> None:
        """Tell the kernel what a cgroup is. Raises OSError when its table is full."""
        libbpf.map_update(self.maps["workloads"], _U64.pack(cgroup_id), _U32.pack(profile))

    def forget_profile(self, cgroup_id: int) -> None:
        """A cgroup is gone."""
        libbpf.map_delete(self.maps["workloads"], _U64.pack(cgroup_id))

    def losses(self) -> dict[str, tuple[int, ...]]:
        """
        Reason → frames lost on each CPU. Raises OSError.

        ``recursion_miss`` is the kernel's own count, of acts rather than frames and
        not by CPU: times it left a program out, because another one or a map's
        update was running there (fdinfo since 5.12; below, nobody counts them).
        """
        counts = {loss.name.lower(): self._per_cpu("losses", loss) for loss in Loss}
        return {**counts, "recursion_miss": (sum(map(_missed, self.programs.values())),)}

    def sent(self) -> dict[str, int]:
        """Kind → frames handed to the transport."""
        return {spec.name: sum(self._per_cpu("sent", spec.number * 2)) + sum(self._per_cpu("sent", spec.number * 2 + 1)) for spec in KINDS}

    def flooded(self) -> dict[int, int]:
        """Cgroup id → frames its empty buckets dropped; 0 stands for the workloads that share one. Raises OSError."""
        dropped: dict[int, int] = {}
        for key in libbpf.map_keys(self.maps["buckets"], _BUCKET_KEY.size):
            value = libbpf.map_lookup(self.maps["buckets"], key, _BUCKET.size)
            count = _BUCKET.unpack(value)[1] if value else 0
            if count:
                cgroup = _BUCKET_KEY.unpack(key)[0]
                dropped[cgroup] = dropped.get(cgroup, 0) + count
        return dropped

    def _per_cpu(self, name: str, index: int) -> tuple[int, ...]:
        cpus = libbpf.possible_cpus()
        value = libbpf.map_lookup(self.maps[name], _U32.pack(index), _U64.size * cpus)
        if value is None:
            raise OSError(f"the map {name} has no entry {index}")
        return struct.unpack(f"<{cpus}Q", value)

    def detach(self) -> None:
        """Take the programs off their hooks; what they wrote can still be read."""
        for fd in self.links.values():
            os.close(fd)
        self.links.clear()

    def close(self) -> None:
        """Detach everything, and let go of the programs and the maps."""
        self.detach()
        for fd in (*self.programs.values(), *self.maps.values()):
            os.close(fd)
        self.programs.clear()
        self.maps.clear()


def root_device(proc: Path = Path("/proc")) -> int:
    """
    Device of the node's root file system as the kernel has it (super_block.s_dev: major << 20 | minor); 0 when it cannot be had.

    Of process 1, whose root is the node's where we see the node's processes; mountinfo (proc(5)) shows s_dev, which stat(2) does not on btrfs.
    """
    for line in reversed((read_text(proc / "1" / "mountinfo") or "").splitlines()):  # the last one lies on top
        words = line.split(" ", 5)
        numbers = words[2].split(":") if len(words) > 4 and words[4] == "/" else []  # noqa: PLR2004  # id, parent, device, root, mount point
        if len(numbers) == 2 and all(number.isdecimal() for number in numbers):  # noqa: PLR2004  # major:minor
            return (int(numbers[0]) << 20 | int(numbers[1])) & 0xFFFFFFFF
    return 0


def _missed(program: int) -> int:
    """Times the kernel left a program out, from its descriptor's fdinfo; 0 where it does not count them."""
    for line in (FDINFO / str(program)).read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "recursion_misses":
            return int(value)
    return 0


class LoaderProcess:
    """The child, from its start to what it hands over."""

    def __init__(self) -> None:
        """Start it; it imports BCC and then waits for its job."""
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  # closed in finish()
        self._sock, theirs = socket.socketpair()
        command = (sys.executable, "-P", "-c", _CHILD, str(theirs.fileno()), str(Path(__file__).resolve().parents[2]))
        self._child = subprocess.Popen(  # noqa: S603  # a constant command
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._words
        )
        theirs.close()

    def give(self, job: Job) -> None:
        """Send the job. Raises ProbeError when the child is gone already."""
        try:
            send(self._sock, json.dumps(asdict(job)).encode())
        except OSError as error:
            raise ProbeError(f"the loader ended before it had its job: {self._said()}") from error

    def finish(self, timeout_s: float) -> Session:
        """
        Wait for the answer and take over the descriptors.

        Raises:
            ProbeError: nothing could be loaded, or the child died; with clang's or the verifier's words.
            EnvironmentRefusal: BCC is not there, or is something else.
        """
        self._sock.settimeout(timeout_s)
        try:
            head, fds, _flags, _address = socket.recv_fds(self._sock, _LENGTH_BYTES, _MAX_FDS)
            if len(head) < _LENGTH_BYTES:
                raise ProbeError(f"the loader died with status {self._child.wait()}: {self._said()}")
            answer = Answer(**json.loads(self._read(_U32.unpack(head)[0])))
        except TimeoutError as error:
            raise ProbeError(f"the loader did not answer within {timeout_s:.0f} s: {self._said()}") from error
        finally:
            self.stop()
        if answer.error:
            raise _EXIT_CODES.get(answer.exit_code, ProbeError)(answer.error, hint=answer.hint)
        maps, programs = len(answer.maps), len(answer.maps) + len(answer.programs)
        return Session(
            maps=dict(zip(answer.maps, fds[:maps], strict=True)),
            programs=dict(zip(answer.programs, fds[maps:programs], strict=True)),
            links=dict(zip(answer.links, fds[programs:], strict=True)),
            failed=answer.failed,
            instructions=answer.instructions,
            kept=answer.kept,
        )

    def stop(self) -> None:
        """End the child and wait for it; may be called again."""
        if self._sock.fileno() < 0:
            return
        self._child.kill()
        self._child.wait()
        self._sock.close()
        self._words.close()

    def _read(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self._sock.recv(size - len(parts))
            if not part:
                break
            parts += part
        return parts

    def _said(self) -> str:
        size = os.fstat(self._words.fileno()).st_size
        return os.pread(self._words.fileno(), MAX_WORDS_BYTES, max(0, size - MAX_WORDS_BYTES)).decode(errors="backslashreplace").strip()
