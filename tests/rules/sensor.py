# SPDX-License-Identifier: Apache-2.0
"""
The sensor as its users run it: a process of its own, its findings read from its output.

Nothing here imports the sensor, so what the tests see is what a log collector
sees. ``SCOUT_FEATURES`` and ``SCOUT_OFFSETS`` reach it through the environment.

That something was *not* found is shown by fences: acts of the test's own that
end on stdout after everything that happened before them (`RunningSensor.fence`).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.rules.waits import Deadline, patience_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
MANAGED = ROOT / "rules"
OWN_RULES = Path(__file__).with_name("own_rules.yaml")
FENCE_RULE = "TEST-FENCE"
FENCE_FOLDER = "/scout-test/fence"  # need not exist: failed opens are acts, too
START_S = 40.0  # two to three seconds on a quiet machine
FIND_S = 8.0  # milliseconds on a quiet machine
READY = re.compile(rb"\bwatching\b")

Finding = dict[str, object]


class SensorFailed(Exception):
    """The sensor did not do what the test waited for; the message has its own words."""


class RunningSensor:
    """A running sensor; a context manager that ends it well or says what was wrong."""

    def __init__(self, *arguments: str, rules: Sequence[Path] = (MANAGED, OWN_RULES), output: str = "json", before: Sequence[str] = ()) -> None:
        """Start it, by the command *before* (one that changes namespaces and then execs), and wait until it says that it watches."""
        words = [f"--rules={path}" for path in rules]
        self._process = subprocess.Popen(
            [
                *before,
                sys.executable,
                "-m",
                "sensor.cli",
                "run",
                "--output",
                output,
                "--status-socket",
                "none",
                *words,
                *arguments,
            ],  # one sensor has the usual place
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pid = self._process.pid
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.findings: list[Finding] = []
        self.broken: list[str] = []
        """Lines of JSON output that are not JSON."""
        self._news = threading.Condition()
        self._parses = output == "json"
        self._readers = [
            threading.Thread(target=self._read_findings, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        try:
            self._wait(lambda: bool(READY.search(self.stderr)), START_S, "it did not start to watch")
        except BaseException:
            self._process.kill()
            self._process.wait()
            self._close()
            raise

    def __enter__(self) -> Self:
        """The sensor itself."""
        return self

    def __exit__(self, kind: object, *_rest: object) -> None:
        """End it; a bad end is an error unless there is one already."""
        if self._process.poll() is None or kind is None:
            code = self.stop()
            if code and kind is None:
                raise SensorFailed(f"it ended with {code}:\n{self.words()}")

    def words(self) -> str:
        """The last of what it said on standard error."""
        return bytes(self.stderr[-4000:]).decode(errors="replace")

    def mark(self) -> int:
        """A place in the findings: what comes later is `since` it."""
        with self._news:
            return len(self.findings)

    def since(self, mark: int) -> list[Finding]:
        """The findings after *mark*, but for fences."""
        with self._news:
            return [finding for finding in self.findings[mark:] if rule_of(finding) != FENCE_RULE]

    def wait_for(self, predicate: Callable[[Finding], bool], what: str, *, since: int = 0, seconds: float = FIND_S) -> Finding:
        """
        Return the first finding after *since* for which *predicate* holds.

        Raises:
            SensorFailed: it did not come in *seconds* (of a quick machine); the message lists what came.
        """

        def hits() -> Iterator[Finding]:
            return (finding for finding in self.findings[since:] if predicate(finding))

        try:
            self._wait(lambda: next(hits(), None) is not None, seconds, f"no finding: {what}")
        except SensorFailed as error:
            came = "\n".join(shown(finding) for finding in self.since(since)[-30:])
            raise SensorFailed(f"{error}\nwhat came instead:\n{came}") from None
        with self._news:
            return next(hits())

    def wait_for_output(self, wanted: bytes, seconds: float = FIND_S) -> None:
        """Wait until *wanted* stands in its standard output."""
        self._wait(lambda: wanted in self.stdout, seconds, f"not printed: {wanted!r}")

    def fence(self) -> None:
        """
        Return when everything that happened before the call has been reported.

        One round is not enough: a round's findings-to-be are taken lane by lane,
        so the fence may come before an older act of the other lane. The second
        fence's finding proves that the first one's round is over.
        """
        for _ in range(2):
            name = f"{FENCE_FOLDER}/{secrets.token_hex(8)}"
            since = self.mark()
            act(name)
            if self._parses:
                self.wait_for(lambda finding, name=name: asked(finding) == name, f"the fence {name}", since=since)
            else:
                self.wait_for_output(name.encode())

    def stop(self) -> int:
        """Ask it to end, as a kubelet does; returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(patience_s(START_S))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise SensorFailed(f"it did not end on SIGTERM:\n{self.words()}") from None
        self._close()
        return code

    def _close(self) -> None:
        """Read what is left and let go of the streams."""
        for reader in self._readers:
            reader.join(patience_s(FIND_S))
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()

    def _wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = Deadline(seconds)
        with self._news:
            while not done():
                ended = self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
                if ended or (not self._news.wait(min(deadline.left_s(), 1.0)) and deadline.passed()):
                    state = f"it ended with {self._process.returncode}" if ended else f"in {patience_s(seconds):.0f} s"
                    raise SensorFailed(f"{what} ({state}):\n{self.words()}")

    def _read_findings(self) -> None:
        rest = b""
        while data := os.read(self._process.stdout.fileno(), 65_536):
            with self._news:
                self.stdout += data
                *lines, rest = (rest + data).split(b"\n")
                for line in lines if self._parses else ():
                    self._take(line)
                self._news.notify_all()

    def _take(self, line: bytes) -> None:
        try:
            finding = json.loads(line.decode())
        except ValueError as error:
            self.broken.append(f"{error}: {line!r}")
        else:
            self.findings.append(finding)

    def _read_log(self) -> None:
        while data := os.read(self._process.stderr.fileno(), 65_536):
            with self._news:
                self.stderr += data
                self._news.notify_all()


def act(path: str) -> None:
    """Open *path*, which need not exist."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return


def rule_of(finding: Finding) -> str:
    """The id of its rule."""
    return finding["rule"]["id"]


def asked(finding: Finding) -> str | None:
    """The path that the program gave, of acts that have one."""
    return finding["act"].get("asked")


def container_of(finding: Finding) -> str:
    """The id of its container, empty on the host."""
    return (finding["container"] or {}).get("id", "")


def shown(finding: Finding) -> str:
    """One line about it, for a failed test's message."""
    process = finding["process"]
    return f"{rule_of(finding)} {finding['scope']} {container_of(finding)[:12]} {process['name']}[{process['pid']}] {process['cmdline']!r} {finding['act']}"


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port: int, path: str) -> tuple[int, bytes]:
    """Ask the status port; returns the status and the body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=patience_s(FIND_S)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
