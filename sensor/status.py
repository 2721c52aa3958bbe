# SPDX-License-Identifier: Apache-2.0
"""
Where a running sensor can be asked how it is: a TCP port when somebody wants one, and a Unix socket for its own user.

A port that was asked for and cannot be had ends the start; the socket, which is
there by default, costs a line in the log. Metrics are made when they are first
asked for, and nothing here runs while nobody asks.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sensor.core.errors import UsageError
from sensor.core.log import logger
from sensor.health.localsocket import LocalSocket
from sensor.health.server import StatusServer, listen, local_routes, status_routes

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from sensor.adapters.metrics import Metrics
    from sensor.core.clock import Clock
    from sensor.core.config import RunConfig
    from sensor.core.counters import Counters
    from sensor.health.server import Routes
    from sensor.health.state import Health


class Status:
    """
    The answering side of one sensor; `close` it at the end.

    Args:
        config: which port and which socket.
        health, counters: what is told.
        clock: for the server's deadlines.
        rules_hash: of the rules at start, for the metrics.
        configuration: what the sensor was told and runs with; called in the server's thread.
        log: its log's last lines; called likewise.
        workloads: the containers that it knows; called likewise.

    Raises:
        UsageError: the port cannot be listened on.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        health: Health,
        counters: Counters,
        clock: Clock,
        rules_hash: str,
        configuration: Callable[[], object],
        log: Callable[[], str],
        workloads: Callable[[], object],
    ) -> None:
        @cache
        def metrics() -> Metrics:
            from sensor.adapters.metrics import Metrics  # noqa: PLC0415  # 11 MiB, only where somebody asks

            return Metrics(counters, health, build={"rules": rules_hash})

        routes = status_routes(health, metrics)
        listeners: list[tuple[socket, Routes]] = []
        self._server: StatusServer | None = None
        self._local: LocalSocket | None = None
        if config.status_port:
            listeners.append((listen(config.status_address, config.status_port), routes))
        if config.status_socket:
            try:
                self._local = LocalSocket(config.status_socket)
            except UsageError as error:
                logger("status").warning("no status socket: scout support and scout rules status cannot ask this sensor", why=str(error))
            else:
                listeners.append((self._local.socket, {**routes, **local_routes(configuration, log, workloads)}))
        if listeners:
            self._server = StatusServer(listeners, clock=clock)
            self._server.start()
            health.watch("status server", self._server.is_alive)

    def close(self) -> None:
        """Stop answering."""
        if self._local:
            self._local.remove()  # first: a name without a listener would be a dead sensor's
        if self._server:
            self._server.close()
        if self._local:
            self._local.close()
