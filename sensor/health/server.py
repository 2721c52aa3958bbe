# SPDX-License-Identifier: Apache-2.0
"""
The status port: ``/metrics``, ``/healthz``, ``/readyz``, ``/rules``. Off unless asked for.

One thread serves all connections without blocking, because a scrape must not
wait for a client that never sends its request. Promises: a client has
`DEADLINE_S` from connecting to having its answer; at `MAX_CONNECTIONS` the
oldest is dropped for the newest, so that the kubelet's probe gets through; a
request has at most `MAX_REQUEST_BYTES`; nothing a client sends can raise here.
There is no authentication: 127.0.0.1 unless told otherwise, and nothing here
changes anything.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor.core.errors import ScoutError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sensor.adapters.metrics import Metrics
    from sensor.core.clock import Clock
    from sensor.health.state import Health

DEADLINE_S = 5
"""From connecting to the answer's last byte; the kubelet gives up after 1 s, Prometheus after 10."""

MAX_CONNECTIONS = 32
"""At once; a scraper, the kubelet's two probes and a person are four."""

MAX_REQUEST_BYTES = 8_192
"""What common servers allow for a request line and headers."""

_ACCEPT_PAUSE_S = 1  # after accept(2) failed for want of descriptors, which does not go away by asking at once
_CHUNK_BYTES = 65_536
_NS = 1_000_000_000
_LAST_PORT = 65_535
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large"}
_REASONS |= {500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    deadline_ns: int
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None


class StatusServer:
    """
    The server; `start` it once, `close` it at the end.

    Args:
        routes: path → what answers it, called in the server's thread.
        clock: for the deadlines.
        host: the address to listen on.
        port: 0 lets the kernel choose (`port` tells which).

    Raises:
        UsageError: the address cannot be listened on.
    """

    def __init__(self, routes: Mapping[str, Callable[[], Response]], *, clock: Clock, host: str = "127.0.0.1", port: int = 0) -> None:
        self._routes = dict(routes)
        self._clock = clock
        if not 0 <= port <= _LAST_PORT:
            raise UsageError(f"there is no port {port}", hint=f"ports go from 1 to {_LAST_PORT}")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=64)
        except OSError as error:
            raise UsageError(f"cannot listen on {host}:{port}: {error}", hint="choose another port, or stop what listens there") from error
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._connections: dict[int, _Connection] = {}
        self._accept_again_ns: int | None = None
        self._thread = threading.Thread(target=self._serve, name="scout-status", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Stop answering and let go of the port."""
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join(DEADLINE_S)
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._woken.close()
        self._listener.close()

    def _serve(self) -> None:
        while self._round(self._timeout_s()):
            pass

    def _round(self, timeout_s: float | None) -> bool:
        """Wait for something to happen and deal with it; false when asked to stop."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
            else:
                self._step(key.data)
        self._expire()
        return True

    def _timeout_s(self) -> float | None:
        moments = [connection.deadline_ns for connection in self._connections.values()]
        if self._accept_again_ns is not None:
            moments.append(self._accept_again_ns)
        return max(0, min(moments) - self._clock.monotonic_ns()) / _NS if moments else None

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            self._selector.unregister(self._listener)
            self._accept_again_ns = self._clock.monotonic_ns() + _ACCEPT_PAUSE_S * _NS
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._connections.values())))  # insertion order: the oldest
        client.setblocking(False)
        connection = _Connection(client, self._clock.monotonic_ns() + DEADLINE_S * _NS)
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, connection)

    def _expire(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for connection in [connection for connection in self._connections.values() if connection.deadline_ns <= now_ns]:
            self._drop(connection)
        if self._accept_again_ns is not None and self._accept_again_ns <= now_ns:
            self._accept_again_ns = None
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _step(self, connection: _Connection) -> None:
        if connection.socket.fileno() not in self._connections:
            return  # dropped for a newer one in this very round
        try:
            if connection.answer is None:
                self._read(connection)
            else:
                self._send(connection, connection.answer)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)

    def _read(self, connection: _Connection) -> None:
        data = connection.socket.recv(MAX_REQUEST_BYTES)
        if not data:
            self._drop(connection)
            return
        connection.request += data
        ended = b"\r\n\r\n" in connection.request or b"\n\n" in connection.request
        if ended or len(connection.request) >= MAX_REQUEST_BYTES:
            answer = memoryview(self._answer(bytes(connection.request)) if ended else _bytes(Response(431, b"the request is too long\n"), body=True))
            connection.answer = answer
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
            self._send(connection, answer)

    def _send(self, connection: _Connection, answer: memoryview) -> None:
        sent = connection.socket.send(answer[:_CHUNK_BYTES])
        connection.answer = answer[sent:]
        if not connection.answer:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.socket.fileno(), None)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].rstrip(b"\r").split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):  # noqa: PLR2004  # method, target, version: RFC 9112, 3
            return _bytes(Response(400, b"this is not an HTTP/1 request\n"), body=True)
        if words[0] not in (b"GET", b"HEAD"):
            return _bytes(Response(405, b"only GET and HEAD\n"), body=True)
        path = words[1].split(b"?", 1)[0].decode("ascii", "replace")
        route = self._routes.get(path)
        try:
            response = Response(404, f"there is {', '.join(sorted(self._routes))}\n".encode()) if route is None else route()
        except (ScoutError, OSError, ValueError, RuntimeError) as error:
            response = Response(500, f"{type(error).__name__}: {error}\n".encode("utf-8", "backslashreplace"))
        return _bytes(response, body=words[0] == b"GET")


def status_routes(health: Health, metrics: Metrics) -> dict[str, Callable[[], Response]]:
    """The routes of the status port."""

    def exposition() -> Response:
        body, content_type = metrics.exposition()
        return Response(200, body, content_type)

    def alive() -> Response:
        stopped = health.not_alive()
        return _json(503 if stopped else 200, {"alive": not stopped, "stopped": stopped})

    def ready() -> Response:
        waiting = health.waiting_for()
        probes = {name: "attached" if status.attached else status.reason or "not attached" for name, status in sorted(health.probes().items())}
        return _json(503 if waiting else 200, {"ready": not waiting, "waiting_for": waiting, "degraded": health.degraded(), "probes": probes})

    def rules() -> Response:
        return _json(200, {name: {"status": status.state.value, "reason": status.reason} for name, status in sorted(health.rules().items())})

    return {"/metrics": exposition, "/healthz": alive, "/readyz": ready, "/rules": rules}


def _json(status: int, body: object) -> Response:
    return Response(status, json.dumps(body, indent=1).encode() + b"\n", "application/json")


def _bytes(response: Response, *, body: bool) -> bytes:
    head = [
        f"HTTP/1.1 {response.status} {_REASONS[response.status]}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + (response.body if body else b"")
