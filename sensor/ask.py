# SPDX-License-Identifier: Apache-2.0
"""Ask a running sensor on this machine, over its status port or its status socket."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

from sensor.core.errors import EnvironmentRefusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ask = Callable[[str], str]
    """A path (``/rules``) → the answer's body; "not ready" is an answer, too. Raises EnvironmentRefusal when nobody answers, or not that."""

TIMEOUT_S = 3.0
MAX_BYTES = 16 << 20
"""Most of an answer that is read: a million rules' states."""

_ANSWERS = {200, 503}
_LINE_END = "\n"
_OTHER = "is it a sensor, and of this version?"


class _Local(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def at_port(port: int) -> Ask:
    """Ask what listens on 127.0.0.1:*port*."""
    return _asker(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S), f"127.0.0.1:{port}", "start it with: scout run --status-port PORT")


def at_socket(path: Path) -> Ask:
    """Ask what listens on a Unix socket."""
    return _asker(lambda: _Local(path), str(path), "is scout run running here, as this user? --status-socket and --status-port name other places")


def _asker(connect: Callable[[], http.client.HTTPConnection], place: str, hint: str) -> Ask:
    def ask(path: str) -> str:
        connection = connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(MAX_BYTES).decode(errors="backslashreplace")
        except (OSError, http.client.HTTPException) as error:
            raise EnvironmentRefusal(f"no sensor answers on {place}: {error}", hint=hint) from error
        finally:
            connection.close()
        if response.status not in _ANSWERS:
            raise EnvironmentRefusal(f"{place} answers {response.status} to {path}: {body.partition(_LINE_END)[0]:.200}", hint=_OTHER)
        if response.length:  # of what was announced this much did not come; read() says nothing
            raise EnvironmentRefusal(f"the answer of {place} to {path} is cut short", hint="ask again")
        return body

    return ask
