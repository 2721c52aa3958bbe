# SPDX-License-Identifier: Apache-2.0
"""
A fake API server: it says what a test has written down, in pieces, and cuts connections when told to.

What a real one cannot be made to do (garbage, wrong order, a cut in the middle of an object) is tested with this one; what it does by itself is
tested with a real one.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from sensor.adapters.kubeconfig import Access

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 20.0


@dataclass
class Answer:
    """One answer: *pieces* are bytes, or events to wait for before going on."""

    pieces: list[Any] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    """End without the chunk that says so."""


class _Handler(BaseHTTPRequestHandler):
    fake: Any = None
    """Set by each server in a class of its own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.fake.requests.put((parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}, dict(self.headers)))
        answer = self.fake.answers.get()
        if answer is None:
            self.close_connection = True
            return
        try:
            self.say(answer)
        except OSError:  # the other side has gone, which is what some tests are about
            self.close_connection = True

    def say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in answer.pieces:
            if isinstance(piece, threading.Event):
                self.wfile.flush()
                piece.wait(WAIT_S)
            elif piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if answer.is_cut:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_args: Any) -> None:
        pass


class FakeApiServer:
    """Answers each request by the next of `answers`; a request too many waits until the end."""

    def __init__(self) -> None:
        self.answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self.requests: queue.SimpleQueue[tuple[str, dict[str, str], dict[str, str]]] = queue.SimpleQueue()
        """Path, query, headers."""
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def access(self) -> Access:
        """The way to it."""
        return Access(where="a fake", host="127.0.0.1", port=self.server.server_address[1], is_tls=False)

    def kubeconfig(self, path: Path) -> Path:
        """Write one that leads to it."""
        path.write_text(
            f"current-context: a\ncontexts: [{{name: a, context: {{cluster: a}}}}]\n"
            f"clusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:{self.access.port}'}}}}]\n"
        )
        return path

    def say(self, *pieces: Any, **more: Any) -> None:
        """Add an answer."""
        self.answers.put(Answer(list(pieces), **more))

    def say_list(self, *pods: Any, version: str = "100") -> None:
        """Add a list of *pods*."""
        self.say(list_bytes(*pods, version=version))

    def say_changes(self, *events: Any, **more: Any) -> None:
        """Add a watch: (type, object) pairs, bytes as they are, events to wait for."""
        self.say(*(change_bytes(*event) if isinstance(event, tuple) else event for event in events), **more)

    def asked(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Wait for a request."""
        return self.requests.get(timeout=WAIT_S)

    def close(self) -> None:
        """Let go of everything."""
        for _ in range(8):
            self.answers.put(None)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(WAIT_S)


def list_bytes(*pods: Any, version: str = "100") -> bytes:
    """Return a list as the API server writes it."""
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": list(pods)}).encode()


def change_bytes(kind: str, item: Any) -> bytes:
    """Return a line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def bookmark(version: str) -> tuple[str, Any]:
    """Return a bookmark."""
    return ("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": version}})
