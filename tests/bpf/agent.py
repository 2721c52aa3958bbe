# SPDX-License-Identifier: Apache-2.0
"""
The agent as a process, for the tests of the whole.

It is started as people start it, its findings and its words are read as they
come, and every wait is for something it says. Other sensors may run on the
machine at the same time, so nothing here counts what is attached to it: an
agent's programs are those that hold one of its maps.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.bpf.live import DEADLINE_S, SLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
START_S = 40.0 * SLOW
FENCE_RULE = "TEST-FENCE"
FENCE_NAME = "scout-agent-fence"
MARK_NAME = "scout-agent-mark"
RULES = f"""
- rule: Fence
  id: {FENCE_RULE}
  desc: An act of the test's own, to prove that everything before it was reported.
  condition: evt.type in (open, openat) and fd.num >= 0 and fd.filename = {FENCE_NAME}
  output: "fence %fd.name"
  priority: NOTICE
- rule: Marked file opened
  id: TEST-OPEN
  desc: A file of a name that only the tests use.
  condition: evt.type in (open, openat, openat2) and fd.num >= 0 and fd.filename = {MARK_NAME}
  output: "opened %fd.name by %proc.name"
  priority: NOTICE
"""
"""Rules that the kernel can test whole, so that nothing else on the machine costs the tests anything; the first is what `Agent.fence` needs."""

FAILURES = """
- rule: Failed open
  id: TEST-FAILED-OPEN
  desc: A file that is not there.
  condition: evt.type in (open, openat, openat2) and evt.failed = true and fd.nameraw startswith /scout-agent-absent/
  output: "not opened %fd.nameraw %evt.res"
  priority: NOTICE
- rule: Failed connect
  id: TEST-FAILED-CONNECT
  desc: A peer that does not answer.
  condition: evt.type = connect and evt.failed = true and fd.rip = "127.77.77.77"
  output: "not connected %fd.name %evt.res"
  priority: NOTICE
"""
"""Rules about what did not succeed."""
_numbers = count(1)


class Agent:
    """A sensor that was started; a context manager that ends it, by force at last."""

    def __init__(self, *words: object, command: str = "run", environment: Mapping[str, str] | None = None, before: Sequence[str] = (), **options: Any) -> None:
        """*words* follow the command; *before* is what starts it (``setpriv …``); *options* are those of `subprocess.Popen`."""
        quiet = () if "--status-socket" in words or command not in {"run", "record"} else ("--status-socket", "none")  # one sensor has the usual place
        line = [*before, sys.executable, "-m", "sensor.cli", command, *map(str, words), *quiet]
        where = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        self.process = subprocess.Popen(line, env={**os.environ, **(environment or {})}, **where)
        self.pid = self.process.pid
        self.out, self.err = bytearray(), bytearray()
        self._news = threading.Condition()
        streams = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._readers = [threading.Thread(target=self._read, args=one, daemon=True) for one in streams if one[0] is not None]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        """It."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.finish()

    def _read(self, stream: Any, into: bytearray) -> None:
        while data := os.read(stream.fileno(), 1 << 16):
            with self._news:
                into += data
                self._news.notify_all()

    @property
    def said(self) -> str:
        """Standard error so far."""
        return self.err.decode(errors="backslashreplace")

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings so far; a line that is not JSON raises."""
        return [json.loads(line) for line in bytes(self.out).split(b"\n")[:-1]]

    def wait(self, done: Callable[[], Any], what: str, *, timeout_s: float = DEADLINE_S) -> Any:
        """Wait for news until *done* gives something true, and return that."""
        ends = time.monotonic() + timeout_s
        with self._news:
            while not (result := done()):
                left_s = ends - time.monotonic()
                assert left_s > 0, f"{what} did not come:\n{self.said[-3000:]}\n{bytes(self.out[-3000:])!r}"
                assert self.process.poll() is None or any(reader.is_alive() for reader in self._readers), f"{what} did not come, it ended:\n{self.said[-3000:]}"
                self._news.wait(min(left_s, 1.0))
            return result

    def ready(self) -> Self:
        """Wait until it watches."""
        self.wait(lambda: b"watching" in self.err, "the start", timeout_s=START_S)
        return self

    def finding(self, rule: str, **members: Any) -> dict[str, Any]:
        """Wait for a finding of *rule* whose act or process has *members*, and return it."""

        def there() -> dict[str, Any] | None:
            return next(
                (one for one in self.findings if one["rule"]["id"] == rule and all({**one["process"], **one["act"]}.get(k) == v for k, v in members.items())),
                None,
            )

        return self.wait(there, f"a finding of {rule} with {members}")

    def fence(self) -> None:
        """Return when everything before is reported; twice, because lanes are emptied one after the other."""
        with tempfile.TemporaryDirectory(prefix=f"fence{next(_numbers)}-") as folder:
            for turn in ("first", "second"):
                path = Path(folder, turn, FENCE_NAME)
                path.parent.mkdir()
                path.touch()
                self.wait(lambda path=path: bytes(path) in self.out, f"the fence {path}")

    def of(self, rule: str) -> list[dict[str, Any]]:
        """The findings of *rule* so far."""
        return [one for one in self.findings if one["rule"]["id"] == rule]

    def maps(self) -> set[int]:
        """Ids of the BPF maps that it holds."""
        found = set()
        for entry in Path(f"/proc/{self.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                found |= {int(line.split()[1]) for line in entry.read_text().splitlines() if line.startswith("map_id:")}
        return found

    def rss_kib(self) -> int:
        """Its resident memory."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; its exit code."""
        self.process.send_signal(number)
        return self.finish()

    def finish(self) -> int:
        """Wait for its end and for the last of its words; its exit code."""
        try:
            code = self.process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end:\n{self.said[-3000:]}") from None
        for reader in self._readers:
            reader.join(DEADLINE_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


def scout(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    environment = {**os.environ, **options.pop("environment", {})}
    before = options.pop("before", ())
    line = [*before, sys.executable, "-m", "sensor.cli", *map(str, words)]
    return subprocess.run(line, cwd=options.pop("cwd", ROOT), env=environment, capture_output=True, text=True, timeout=START_S * 2, check=False, **options)


def attached_by(maps: set[int]) -> list[str]:
    """Names of the programs in the kernel that use one of *maps*."""
    listed = json.loads(subprocess.run(["bpftool", "--json", "prog", "show"], capture_output=True, text=True, check=True).stdout)
    return [program.get("name", "?") for program in listed if maps & set(program.get("map_ids", ()))]


def wait_detached(maps: set[int]) -> list[str]:
    """What is left of an agent that ended; the kernel frees programs a grace period after the last descriptor."""
    ends = time.monotonic() + DEADLINE_S
    while (left := attached_by(maps)) and time.monotonic() < ends:
        select.select([], [], [], 0.02)
    return left


def canary_folders(pid: int) -> list[Path]:
    """Folders of the canaries of the process *pid*."""
    return [path for place in ("/run", "/tmp") for path in Path(place).glob(f"scout-canary-*-{pid}-*")]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port: int, path: str) -> tuple[int, str]:
    """Ask the status port: status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
