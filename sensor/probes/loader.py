# SPDX-License-Identifier: Apache-2.0
"""
The loader: a child that compiles, loads and attaches, hands over what keeps it
all attached, and exits. BCC and LLVM (150 MiB) leave the room with it.

The agent sends one job over a Unix socket (`Job` as JSON) and gets one answer
(`Answer` as JSON, with descriptors). The child dies with its parent, keeps
nothing, and never prints: what clang and the verifier wrote is in the answer.
A probe that does not compile or load is left out, with its words; the rest go on.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensor.adapters import libbpf
from sensor.adapters.bccpackage import find_bcc
from sensor.adapters.btf import libbpf_version
from sensor.core.errors import ScoutError
from sensor.probes import assemble, image
from sensor.probes.features import Features
from sensor.probes.programs import MAPS, PROBES, STAGES, Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.adapters.kernel import Unit

PR_SET_PDEATHSIG = 1
MAX_WORDS_BYTES = 64 * 1024
"""Most of a compiler's or verifier's output that is handed on: its end, where the reason is."""
_INSTRUCTION_BYTES = 8
_LENGTH = struct.Struct("<I")


@dataclass(slots=True)
class Job:
    """What is to be loaded."""

    bpf: str
    flags: tuple[str, ...]
    features: dict[str, bool]
    probes: tuple[str, ...]
    cache: str = ""
    """Folder where the compiled unit is kept for the next start (`sensor.probes.image`), or empty."""
    kernel: str = ""
    """Release and build of the kernel: part of the stored unit's key."""
    dump: str = ""
    """Folder to write every program's instructions to (tests), or empty."""


@dataclass(slots=True)
class Answer:
    """What became of it. Descriptors follow in the order of ``maps``, ``programs`` and then ``links``."""

    maps: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    """Functions that hooks call: the kernel counts, at their descriptors, the times it left them out."""
    links: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Probe → why it is not there, in clang's or the verifier's words."""
    instructions: dict[str, int] = field(default_factory=dict)
    kept: str = ""
    """Whether the next start need not compile: ``found`` (this one did not), ``written``, or empty."""
    error: str = ""
    hint: str = ""
    exit_code: int = 0


class _Unit(Protocol):
    """A compiled unit, fresh from BCC (`sensor.adapters.kernel.Unit`) or kept (`sensor.probes.image.StoredUnit`)."""

    def map_fd(self, name: str) -> int: ...
    def load(self, function: str, *, raw: bool) -> int: ...
    def instructions(self, function: str) -> bytes: ...
    def attach_tracepoint(self, program_fd: int, category: str, event: str) -> int: ...
    def attach_raw(self, program_fd: int, event: str) -> int: ...
    def set_program(self, array: str, index: int, program_fd: int) -> None: ...


class _Words:
    """Descriptor 2: a file of the agent's, where BCC's real messages go. Should the child die, the agent reads it there."""

    def __init__(self) -> None:
        self._read_bytes = 0

    def take(self) -> str:
        """What was written since it was last taken: its end, if it is long."""
        size = os.fstat(2).st_size
        start = max(self._read_bytes, size - MAX_WORDS_BYTES)
        self._read_bytes = size
        return os.pread(2, size - start, start).decode(errors="backslashreplace").strip()


@dataclass(slots=True)
class _Programs:
    """Loads programs and keeps account of their size."""

    dump: str
    instructions: dict[str, int] = field(default_factory=dict)
    code: dict[str, tuple[bool, bytes]] = field(default_factory=dict)
    fds: dict[str, int] = field(default_factory=dict)

    def load(self, unit: _Unit, function: str, *, raw: bool) -> int:
        fd: int = unit.load(function, raw=raw)
        code = unit.instructions(function)
        self.instructions[function] = len(code) // _INSTRUCTION_BYTES
        self.code[function] = (raw, code)
        self.fds[function] = fd
        if self.dump:
            (Path(self.dump) / f"{function}.bpf").write_bytes(code)
        return fd


def _load_stages(unit: _Unit, features: Features, programs: _Programs) -> None:
    """Load what all probes share, and put it where they call it."""
    for raw in (False, True) if features.raw_tracepoint else (False,):
        for place, stage in enumerate(STAGES):
            fd = programs.load(unit, f"raw_stage_{stage}" if raw else f"stage_{stage}", raw=raw)
            unit.set_program("raw_stages" if raw else "stages", place, fd)


def _load_probe(unit: _Unit, probe: Probe, features: Features, programs: _Programs) -> list[tuple[str, int]]:
    """Load and attach one probe; returns what keeps it attached, by name. Raises ProbeError, having attached nothing for good."""
    entries = [entry for entry in probe.entries if not entry.needs or getattr(features, entry.needs)]
    loaded = [(entry, bool(entry.raw) and features.raw_tracepoint) for entry in entries]
    fds = [programs.load(unit, entry.function, raw=raw) for entry, raw in loaded]
    links: list[tuple[str, int]] = []
    for (entry, raw), fd in zip(loaded, fds, strict=True):
        if raw:
            links.append((f"{probe.name}:{entry.raw}", unit.attach_raw(fd, entry.raw)))
            continue
        present = [point for point in entry.tracepoints if _exists(*point)]
        for category, event in present or entry.tracepoints:
            links.append((f"{probe.name}:{event}", unit.attach_tracepoint(fd, category, event)))
    return links


def _exists(category: str, event: str) -> bool:
    return any((Path(root) / "events" / category / event).is_dir() for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"))


def _compile(job: Job, features: Features, words: _Words, answer: Answer) -> tuple[Unit, list[Probe]]:
    """Compile all probes in one unit; when clang refuses, find out which it is and go on without."""
    from sensor.adapters.kernel import Unit  # noqa: PLC0415  # the environment is set in main()

    probes = [probe for probe in PROBES if probe.name in job.probes]
    bpf = Path(job.bpf)

    def build(some: list[Probe]) -> Unit:
        return Unit(assemble.unit(bpf, [probe.name for probe in some], ringbuf=features.ringbuf), job.flags)

    try:
        return build(probes), probes
    except ScoutError as error:
        said = words.take()
        if len(probes) == 1:
            answer.failed[probes[0].name] = f"{error}\n{said}"
            raise
    good: list[Probe] = []
    for probe in probes:
        try:
            build([probe])
            good.append(probe)
        except ScoutError as error:
            answer.failed[probe.name] = f"{error}\n{words.take()}"
    if len(good) == len(probes):
        raise ScoutError(f"the unit does not compile though each probe does:\n{said}")
    return build(good), good


def _why(job: Job, features: Features, probe: Probe, words: _Words) -> str:
    """
    The verifier's words about a probe it refused, with the source's lines in them.

    The unit was compiled without debug information, which nobody reads when
    all is well; so the probe is compiled once more, with it, to be refused again.
    """
    from sensor.adapters.kernel import Unit  # noqa: PLC0415  # the environment is set in main()

    said = words.take()
    with suppress(ScoutError):
        unit = Unit(assemble.unit(Path(job.bpf), [probe.name], ringbuf=features.ringbuf), job.flags, debug=True)
        _load_probe(unit, probe, features, _Programs(""))
    return words.take() or said


def _attach(unit: _Unit, probes: list[Probe], features: Features, programs: _Programs, failed: Callable[[Probe, ScoutError], None]) -> list[tuple[str, int]]:
    """Load the stages, then each probe; *failed* hears of those that cannot be."""
    _load_stages(unit, features, programs)
    links: list[tuple[str, int]] = []
    for probe in probes:
        try:
            links += _load_probe(unit, probe, features, programs)
        except ScoutError as error:
            failed(probe, error)
    return links


def _answer(answer: Answer, unit: _Unit, programs: _Programs, links: list[tuple[str, int]], features: Features) -> tuple[Answer, list[int]]:
    answer.maps = [*MAPS, "raw_stages"] if features.raw_tracepoint else list(MAPS)
    answer.programs = [name for name in programs.fds if not name.removeprefix("raw_").startswith("stage_")]
    answer.links = [name for name, _ in links]
    fds = [unit.map_fd(name) for name in answer.maps] + [programs.fds[name] for name in answer.programs]
    return answer, fds + [fd for _, fd in links]


def _key(job: Job) -> str:
    bpf = Path(job.bpf)
    return image.digest((assemble.sources_hash(bpf), *job.flags, *job.probes, job.kernel, str(libbpf.possible_cpus()), find_bcc().library, libbpf_version()))


def _load_stored(job: Job, features: Features, key: str) -> tuple[Answer, list[int]] | None:
    """Load what an earlier start has kept, whole or not at all."""
    stored = image.read(Path(job.cache), key)
    if stored is None:
        return None

    def refuse(_probe: Probe, error: ScoutError) -> None:
        raise error

    answer = Answer(kept="found")
    with suppress(ScoutError, KeyError):
        unit = image.StoredUnit(stored)
        programs = _Programs(job.dump, answer.instructions)
        links = _attach(unit, [probe for probe in PROBES if probe.name in job.probes], features, programs, refuse)
        return _answer(answer, unit, programs, links, features)
    return None


def _keep(job: Job, unit: Unit, programs: _Programs, key: str) -> bool:
    fds = unit.map_fds()
    kept = image.Image(maps={name: image.map_shape(fd) for fd, name in fds.items()})
    for name, (raw, code) in programs.code.items():
        image.add_program(kept, name, code, fds, raw=raw)
    return image.write(Path(job.cache), key, kept)


def load(job: Job, words: _Words) -> tuple[Answer, list[int]]:
    """Do the job. Whatever fails is told in the answer."""
    answer = Answer()
    features = Features(**job.features)
    key = _key(job) if job.cache else ""
    if job.cache and (loaded := _load_stored(job, features, key)):
        return loaded

    def failed(probe: Probe, error: ScoutError) -> None:
        answer.failed[probe.name] = f"{error}\nbpf/probes/{probe.name}.c\n{_why(job, features, probe, words)}\nhint: report this with scout support"

    try:
        unit, probes = _compile(job, features, words, answer)
        programs = _Programs(job.dump, answer.instructions)
        links = _attach(unit, probes, features, programs, failed)
        if job.cache and not answer.failed and _keep(job, unit, programs, key):
            answer.kept = "written"
        return _answer(answer, unit, programs, links, features)
    except ScoutError as error:
        answer.error = f"{error}\n{words.take()}".strip()
        answer.hint, answer.exit_code = error.hint, error.exit_code
        return answer, []


def receive(sock: socket.socket) -> bytes:
    """Read one message: a length, then as many bytes."""
    need = _LENGTH.unpack(sock.recv(_LENGTH.size, socket.MSG_WAITALL))[0]
    return sock.recv(need, socket.MSG_WAITALL)


def send(sock: socket.socket, message: bytes, fds: list[int] | None = None) -> None:
    """Send one message, with descriptors on its first bytes."""
    socket.send_fds(sock, [_LENGTH.pack(len(message))], fds or [])
    sock.sendall(message)


def main() -> None:
    """The child: argument 1 is its end of the socket."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    sock = socket.socket(fileno=int(sys.argv[1]))
    words = _Words()
    job = Job(**json.loads(receive(sock)))
    os.environ["BCC_KERNEL_SOURCE"] = str(Path(job.bpf) / "sysroot")
    job.flags, job.probes = tuple(job.flags), tuple(job.probes)
    try:
        answer, fds = load(job, words)
    except Exception as error:  # noqa: BLE001  # the child's last word: whatever it is, the agent must hear it
        answer, fds = Answer(error=f"{type(error).__name__}: {error}\n{words.take()}", exit_code=5), []
    send(sock, json.dumps(asdict(answer)).encode(), fds)
    os._exit(0)  # BCC's clean-up would detach what was just handed over


if __name__ == "__main__":
    main()
