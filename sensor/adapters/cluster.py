# SPDX-License-Identifier: Apache-2.0
"""
The pods of one node, from the API server: a list, then what changes.

HTTP by the standard library and JSON a line at a time, instead of the
``kubernetes`` package, whose models alone take more memory than the rest of the
agent. Four promises:

* Everything read is bounded: an object, a line, an answer's error text. What
  cannot be read as JSON is handed on as `GARBAGE`, to be counted.
* A list that was cut off raises. It is never taken for a short one.
* `stop` ends a read that is under way, from any thread.
* Nothing is followed: a redirect could carry the token elsewhere.

What objects mean, and what to do when the server is away, is
`sensor.workloads.podwatch`'s business.

Source:
    Kubernetes API concepts: "Efficient detection of changes", "Watch bookmarks", "Resource versions".
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from sensor.adapters.jsonlist import MAX_OBJECT_BYTES, ListReader
from sensor.core.errors import ScoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.adapters.kubeconfig import Access

GARBAGE = object()
"""Stands where something came that is not JSON, or longer than anything can be."""

CONNECT_S = 10.0
"""To connect and to shake hands."""

READ_S = 30.0
"""Longest silence within an answer, and how much longer than asked a watch may last."""

WATCH_S = 290
"""How long a watch is asked to last: shorter than the five minutes after which load balancers forget."""

_PIECE_BYTES = 64 << 10
_ERROR_BYTES = 4 << 10
_MAX_VERSION = 256
_MAX_TOKEN_BYTES = 64 << 10
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))  # a peer that vanished is noticed within a minute
_OK = 200


class ApiError(ScoutError):
    """The API server could not be asked, or said no. *status* is HTTP's; 0 when there was no answer. *retry_after_s* is the server's wish."""

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class PodApi:
    """
    Asks for the pods of *node*.

    Args:
        access: the way to the server.
        node: name of the node, as in ``spec.nodeName``.
        watch_s: how long a watch is asked to last.
    """

    def __init__(self, access: Access, node: str, *, watch_s: int = WATCH_S) -> None:
        self._access = access
        self._selector = f"spec.nodeName={node}"
        self._watch_s = watch_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._stopped = False
        self.version = ""
        """After `listed` has come to its end: the resource version of the list, from which to watch."""

    def listed(self, *, consistent: bool) -> Iterator[Any]:
        """
        Yield every pod as it is decoded; `GARBAGE` for what cannot be.

        Args:
            consistent: the newest state, at the price of a quorum read; else what the server's watch cache has.

        Raises:
            ApiError: there is no answer, no list, or not the whole of it.
        """
        query = {"fieldSelector": self._selector} | ({} if consistent else {"resourceVersion": "0"})
        with self._answer(query, READ_S) as response:
            reader = ListReader()
            try:
                while piece := response.read1(_PIECE_BYTES):
                    for item in reader.feed(piece):
                        yield _decoded(item)
                rest = _decoded(reader.end())
            except ValueError as error:
                raise ApiError(f"no list of pods: {error}") from error
        metadata = rest.get("metadata") if isinstance(rest, dict) else None
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) and not metadata.get("continue") else None
        if not isinstance(version, str) or not 0 < len(version) <= _MAX_VERSION:
            raise ApiError("no list of pods: it has no resource version, or goes on elsewhere")
        self.version = version

    def changes(self, version: str) -> Iterator[Any]:
        """
        Yield the watch's events since *version* as they are decoded, `GARBAGE` for what cannot be; ends when the server ends the watch.

        Raises:
            ApiError: there is no answer, or it broke off. Status 410: the version is too old.
        """
        query = {
            "fieldSelector": self._selector, "watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": str(self._watch_s),
        }  # fmt: skip
        with self._answer(query, self._watch_s + READ_S) as response:
            line = bytearray()
            is_too_long = False
            while piece := response.read1(_PIECE_BYTES):
                *ended, last = piece.split(b"\n")
                for part in ended:
                    line += part
                    if is_too_long or line.strip():
                        yield GARBAGE if is_too_long else _decoded(line)
                    line, is_too_long = bytearray(), False
                line += last
                if len(line) > MAX_OBJECT_BYTES:
                    line, is_too_long = bytearray(), True

    def stop(self) -> None:
        """End what is under way, for good. Any thread."""
        with self._lock:
            self._stopped = True
            if self._socket is not None:
                with suppress(OSError):  # it was closed meanwhile
                    self._socket.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _answer(self, query: dict[str, str], read_s: float) -> Iterator[http.client.HTTPResponse]:
        connection = response = None
        try:
            connection = self._connect(read_s)
            headers = {"Accept": "application/json", "User-Agent": "scout"} | self._authorization()
            connection.request("GET", f"{self._access.base}/api/v1/pods?{urlencode(query)}", headers=headers)
            response = connection.getresponse()
            if response.status != _OK:
                raise _refusal(response)
            yield response
        except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: a host's name that cannot be one
            raise ApiError(f"{self._access.host}:{self._access.port}: {str(error) or type(error).__name__}") from error
        finally:
            with self._lock:
                self._socket = None
            for opened in (response, connection):  # the response outlives its connection when the server wants to close it
                if opened is not None:
                    opened.close()

    def _connect(self, read_s: float) -> http.client.HTTPConnection:
        access = self._access
        raw = socket.create_connection((access.host, access.port), CONNECT_S)
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                raw.setsockopt(socket.IPPROTO_TCP, option, value)
            if access.is_tls:
                raw = _context(access).wrap_socket(raw, server_hostname=access.server_name or access.host)
            raw.settimeout(read_s)
            self._take(raw)
        except BaseException:
            raw.close()
            raise
        connection = http.client.HTTPConnection(access.host, access.port)
        connection.sock = raw
        return connection

    def _take(self, connected: socket.socket) -> None:
        """Let `stop` reach the socket."""
        with self._lock:
            if self._stopped:
                raise OSError("stopped")
            self._socket = connected

    def _authorization(self) -> dict[str, str]:
        token = self._access.token
        if self._access.token_file is not None:
            with self._access.token_file.open("rb") as file:
                token = file.read(_MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
        if not token:
            return {}
        if not token.isascii() or not token.isprintable():
            raise ApiError("the token is not one line of printable ASCII")
        return {"Authorization": f"Bearer {token}"}


def _decoded(data: bytes | bytearray) -> Any:  # noqa: ANN401  # any JSON value
    try:
        return orjson.loads(data)
    except ValueError:  # orjson.JSONDecodeError, also for nesting beyond its limit
        return GARBAGE


def _refusal(response: http.client.HTTPResponse) -> ApiError:
    """The error that an answer tells, in the server's words when it has some."""
    said = _decoded(response.read(_ERROR_BYTES))
    message = said.get("message") if isinstance(said, dict) else None
    after = response.headers.get("Retry-After", "")
    return ApiError(
        f"HTTP {response.status}: {message if isinstance(message, str) and message else response.reason}",
        status=response.status,
        retry_after_s=float(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0.0,  # noqa: PLR2004  # a day at most
    )


def _context(access: Access) -> ssl.SSLContext:
    """What a connection must prove, made anew each time: authorities and certificates are replaced while we run."""
    context = ssl.create_default_context(
        cafile=str(access.ca_file) if access.ca_file else None, cadata=access.ca_data.decode("ascii", "replace") if access.ca_data else None
    )
    if not access.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate:
        memory = os.memfd_create("scout-client-certificate", os.MFD_CLOEXEC)  # OpenSSL reads files only; a key is not written to a disk for that
        try:
            os.write(memory, access.certificate)
            context.load_cert_chain(f"/proc/self/fd/{memory}")
        finally:
            os.close(memory)
    return context
