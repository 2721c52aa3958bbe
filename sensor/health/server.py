# SPDX-License-Identifier: Apache-2.0
"""
What a running sensor answers: ``/metrics``, ``/healthz``, ``/readyz``, ``/rules``, over a status port (off unless asked for) and the status socket.

One thread serves all connections without blocking, because a scrape must not
wait for a client that never sends its request. Promises: a client has
`DEADLINE_S` from connecting to having its answer; at `MAX_CONNECTIONS` of one
listener its oldest is dropped for the newest, so that the kubelet's probe gets
through, and who floods the port takes nothing from the socket; a request has at
most `MAX_REQUEST_BYTES`; nothing a client sends, and no route, can end it.
There is no authentication: the port is 127.0.0.1's unless told otherwise, and
nothing here changes anything. What is not for everybody on the node is served
on the socket alone (`sensor.health.localsocket`).
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sensor.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sensor.adapters.metrics import Metrics
    from sensor.core.clock import Clock
    from sensor.health.state import Health

    Routes = Mapping[str, Callable[[], "Response"]]

DEADLINE_S = 5
"""From connecting to the answer's last byte; the kubelet gives up after 1 s, Prometheus after 10."""

MAX_CONNECTIONS = 32
"""At once, of each listener; a scraper, the kubelet's two probes and a person are four."""

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
    client: socket.socket
    listener: socket.socket
    routes: Routes
    deadline_ns: int
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview | None = None


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """
    Listen on a TCP port; 0 lets the kernel choose.

    Raises:
        UsageError: the address cannot be listened on.
    """
    if not 0 <= port <= _LAST_PORT:
        raise UsageError(f"there is no port {port}", hint=f"ports go from 1 to {_LAST_PORT}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=64)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error}", hint="choose another port, or stop what listens there") from error


class StatusServer:
    """
    The server; `start` it once, `close` it at the end.

    Args:
        listeners: listening sockets, each with its routes: path → what answers it, called in the server's thread.
        clock: for the deadlines.
    """

    def __init__(self, listeners: Sequence[tuple[socket.socket, Routes]], *, clock: Clock) -> None:
        self._clock = clock
        self._listeners = [listener for listener, _ in listeners]
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for listener, routes in listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, routes)
        self._paused: list[tuple[socket.socket, Routes]] = []
        self._connections: dict[int, _Connection] = {}
        self._accept_again_ns: int | None = None
        self._thread = threading.Thread(target=self._serve, name="scout-status", daemon=True)

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
        for listener in self._listeners:
            listener.close()

    def _serve(self) -> None:
        while self._round(self._timeout_s()):
            pass

    def _round(self, timeout_s: float | None) -> bool:
        """Wait for something to happen and deal with it; false when asked to stop."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._woken:
                return False
            if isinstance(key.data, _Connection):
                self._step(key.data)
            else:
                self._accept(cast("socket.socket", key.fileobj), key.data)
        self._expire()
        return True

    def _timeout_s(self) -> float | None:
        moments = [connection.deadline_ns for connection in self._connections.values()]
        if self._accept_again_ns is not None:
            moments.append(self._accept_again_ns)
        return max(0, min(moments) - self._clock.monotonic_ns()) / _NS if moments else None

    def _accept(self, listener: socket.socket, routes: Routes) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            self._selector.unregister(listener)
            self._paused.append((listener, routes))
            self._accept_again_ns = self._clock.monotonic_ns() + _ACCEPT_PAUSE_S * _NS
            return
        held = [connection for connection in self._connections.values() if connection.listener is listener]
        if len(held) >= MAX_CONNECTIONS:
            self._drop(held[0])  # insertion order: the oldest
        client.setblocking(False)
        connection = _Connection(client, listener, routes, self._clock.monotonic_ns() + DEADLINE_S * _NS)
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, connection)

    def _expire(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for connection in [connection for connection in self._connections.values() if connection.deadline_ns <= now_ns]:
            self._drop(connection)
        if self._accept_again_ns is not None and self._accept_again_ns <= now_ns:
            self._accept_again_ns = None
            for listener, routes in self._paused:
                self._selector.register(listener, selectors.EVENT_READ, routes)
            self._paused.clear()

    def _step(self, connection: _Connection) -> None:
        if connection.client.fileno() not in self._connections:
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
        data = connection.client.recv(MAX_REQUEST_BYTES)
        if not data:
            self._drop(connection)
            return
        connection.request += data
        ended = b"\r\n\r\n" in connection.request or b"\n\n" in connection.request
        if ended or len(connection.request) >= MAX_REQUEST_BYTES:
            answer = memoryview(
                _answer(bytes(connection.request), connection.routes) if ended else _bytes(Response(431, b"the request is too long\n"), body=True)
            )
            connection.answer = answer
            self._selector.modify(connection.client, selectors.EVENT_WRITE, connection)
            self._send(connection, answer)

    def _send(self, connection: _Connection, answer: memoryview) -> None:
        sent = connection.client.send(answer[:_CHUNK_BYTES])
        connection.answer = answer[sent:]
        if not connection.answer:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.client.fileno(), None)
        self._selector.unregister(connection.client)
        connection.client.close()


def _answer(request: bytes, routes: Routes) -> bytes:
    words = request.split(b"\n", 1)[0].rstrip(b"\r").split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):  # noqa: PLR2004  # method, target, version: RFC 9112, 3
        return _bytes(Response(400, b"this is not an HTTP/1 request\n"), body=True)
    if words[0] not in (b"GET", b"HEAD"):
        return _bytes(Response(405, b"only GET and HEAD\n"), body=True)
    path = words[1].split(b"?", 1)[0].decode("ascii", "replace")
    route = routes.get(path)
    try:
        response = Response(404, f"there is {', '.join(sorted(routes))}\n".encode()) if route is None else route()
    except Exception as error:  # noqa: BLE001  # told to who asked; a library that cannot be imported must not take the other routes along
        response = Response(500, f"{type(error).__name__}: {error}\n".encode("utf-8", "backslashreplace"))
    return _bytes(response, body=words[0] == b"GET")


def status_routes(health: Health, metrics: Callable[[], Metrics]) -> dict[str, Callable[[], Response]]:
    """What everybody who reaches the port may ask. *metrics* is called when somebody does: its library takes 11 MiB."""

    def exposition() -> Response:
        body, content_type = metrics().exposition()
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


def local_routes(configuration: Callable[[], object], log: Callable[[], str], workloads: Callable[[], object]) -> dict[str, Callable[[], Response]]:
    """What is for the sensor's own user alone: what it was told, its log, and what runs here."""
    return {
        "/configuration": lambda: _json(200, configuration()),
        "/workloads": lambda: _json(200, workloads()),
        "/log": lambda: Response(200, log().encode("utf-8", "backslashreplace")),
    }


def _json(status: int, body: object) -> Response:
    return Response(status, json.dumps(body, indent=1, default=str).encode() + b"\n", "application/json")


def _bytes(response: Response, *, body: bool) -> bytes:
    head = [
        f"HTTP/1.1 {response.status} {_REASONS[response.status]}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + (response.body if body else b"")
