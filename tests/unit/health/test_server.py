# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sensor.adapters.metrics import Metrics
from sensor.core.clock import FakeClock, RealClock
from sensor.core.counters import Counters
from sensor.core.errors import RecordingError, UsageError
from sensor.health import server as module
from sensor.health.server import Response, StatusServer, listen, local_routes, status_routes
from sensor.health.state import Health, ProbeStatus, RuleState, RuleStatus


def routes():
    def fails():
        raise RecordingError("no\udcff good")

    def lacks():
        raise ImportError("no library")

    return {"/ok": lambda: Response(200, b"fine\n"), "/large": lambda: Response(200, b"x" * 3_000_000), "/fails": fails, "/missing": lacks}


@pytest.fixture
def clock():
    return FakeClock(1_000)


@pytest.fixture
def server(clock):
    """A server that is driven by hand: `_round` is what its thread would do."""
    made = StatusServer([(listen(), routes())], clock=clock)
    yield made
    made.close()


def place(server):
    return server._listeners[0].getsockname()


def connect(server):
    client = socket.create_connection(place(server), timeout=5)
    server._round(1)
    return client


def answer(server, client):
    """Let the server work until the connection is closed; return what came."""
    client.setblocking(False)
    received = b""
    for _ in range(1_000):
        server._round(0.05)
        try:
            data = client.recv(1 << 20)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            break
        if not data:
            break
        received += data
    client.close()
    return received


def ask(server, request):
    client = connect(server)
    client.sendall(request)
    return answer(server, client)


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n", 200, b"fine\n"),
        (b"GET /ok?a=b HTTP/1.0\r\n\r\n", 200, b"fine\n"),
        (b"GET /ok HTTP/1.1\n\n", 200, b"fine\n"),
        (b"HEAD /ok HTTP/1.1\r\n\r\n", 200, b""),
        (b"GET / HTTP/1.1\r\n\r\n", 404, b"there is /fails, /large, /missing, /ok\n"),
        (b"GET /\xff\x1b HTTP/1.1\r\n\r\n", 404, b"there is /fails, /large, /missing, /ok\n"),
        (b"POST /ok HTTP/1.1\r\n\r\n", 405, b"only GET and HEAD\n"),
        (b"GET /ok\r\n\r\n", 400, b"this is not an HTTP/1 request\n"),
        (b"\x16\x03\x01\x02\r\n\r\n", 400, b"this is not an HTTP/1 request\n"),
        (b"GET /ok HTTP/2\r\n\r\n", 400, b"this is not an HTTP/1 request\n"),
        (b"GET /fails HTTP/1.1\r\n\r\n", 500, b"RecordingError: no\\udcff good\n"),
        (b"GET /missing HTTP/1.1\r\n\r\n", 500, b"ImportError: no library\n"),
    ],
)
def test_requests_and_garbage_get_one_answer(server, request_, status, body):
    """Whatever a client sends is answered once, with a length, and the connection is closed."""
    head, _, received = ask(server, request_).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert received == body
    assert server._connections == {}


def test_a_request_in_pieces_is_put_together(server):
    """A client may send one byte at a time."""
    client = connect(server)
    for byte in b"GET /ok HTTP/1.1\r\n\r\n":
        client.sendall(bytes([byte]))
        server._round(1)
    assert answer(server, client).endswith(b"fine\n")


def test_an_answer_larger_than_the_socket_s_buffer_is_sent_whole(server):
    """A node with thousands of rules has long metrics; the others wait for none of it."""
    assert len(ask(server, b"GET /large HTTP/1.1\r\n\r\n").partition(b"\r\n\r\n")[2]) == 3_000_000


def test_a_request_without_end_is_refused(server):
    """A client cannot use up memory."""
    assert ask(server, b"x" * module.MAX_REQUEST_BYTES).startswith(b"HTTP/1.1 431 ")


def test_a_slow_client_is_dropped_at_its_deadline(server, clock):
    """Who does not send, or does not read, is gone after the deadline; others are served meanwhile."""
    silent = connect(server)
    deaf = connect(server)
    deaf.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    server._round(1)
    assert ask(server, b"GET /ok HTTP/1.1\r\n\r\n").endswith(b"fine\n")
    clock.advance(module.DEADLINE_S * 10**9)
    server._round(0)
    assert server._connections == {}
    silent.close()
    deaf.close()


def test_the_newest_connection_gets_through(server):
    """However many connections are held open, the kubelet's probe is answered: the oldest is dropped."""
    held = [connect(server) for _ in range(module.MAX_CONNECTIONS)]
    assert len(server._connections) == module.MAX_CONNECTIONS
    assert ask(server, b"GET /ok HTTP/1.1\r\n\r\n").endswith(b"fine\n")
    assert len(server._connections) == module.MAX_CONNECTIONS - 1
    for client in held:
        client.close()


def test_a_flood_of_one_listener_costs_the_other_nothing(clock):
    """Who may only reach the port cannot cut short what root asks the socket, however long that answer takes."""
    server = StatusServer([(listen(), {}), (listen(), routes())], clock=clock)
    root = socket.create_connection(server._listeners[1].getsockname(), timeout=5)
    root.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    server._round(1)
    held = [connect(server) for _ in range(2 * module.MAX_CONNECTIONS)]
    assert len(answer(server, root).partition(b"\r\n\r\n")[2]) == 3_000_000
    for client in held:
        client.close()
    server.close()


def test_a_thousand_silent_clients_are_bounded_and_go(server, clock):
    """Memory and descriptors stay; the next one that asks is answered; then nothing wakes the thread."""
    held = []
    for _ in range(1_000):
        held.append(connect(server))
        assert len(server._connections) <= module.MAX_CONNECTIONS
    assert ask(server, b"GET /ok HTTP/1.1\r\n\r\n").endswith(b"fine\n")
    clock.advance(module.DEADLINE_S * 10**9)
    server._round(0)
    assert server._timeout_s() is None
    for client in held:
        client.close()


def test_a_client_that_goes_away_is_forgotten(server):
    """Closing early leaves nothing behind."""
    connect(server).close()
    server._round(1)
    assert server._connections == {}


def test_no_descriptors_is_a_pause_not_a_loop(server, clock, monkeypatch):
    """When accept fails the server waits a moment instead of spinning, then listens again."""

    def fail(_listener):
        raise OSError(24, "Too many open files")

    client = socket.create_connection(place(server), timeout=5)
    monkeypatch.setattr(socket.socket, "accept", fail)
    server._round(1)
    monkeypatch.undo()
    assert server._timeout_s() == 1
    clock.advance(10**9)
    server._round(0)
    assert server._accept_again_ns is None
    server._round(1)
    client.sendall(b"GET /ok HTTP/1.1\r\n\r\n")
    assert answer(server, client).endswith(b"fine\n")


def test_without_connections_nothing_wakes_the_thread(server):
    """An idle server waits without a time-out."""
    assert server._timeout_s() is None


def test_a_port_that_is_taken_is_one_clear_message(server):
    """The address and what to do are said."""
    port = place(server)[1]
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
        listen(port=port)
    with pytest.raises(UsageError, match="there is no port 70000"):
        listen(port=70_000)


def test_each_listener_has_its_own_routes(clock):
    """What is for the socket is not to be had at the port."""
    server = StatusServer(
        [(listen(), {"/all": lambda: Response(200, b"a\n")}), (listen(), local_routes(lambda: {"x": Path("/y")}, lambda: "a line\n", lambda: [{"id": "c"}]))],
        clock=clock,
    )
    asked = {}
    for at, listener in enumerate(server._listeners):
        for path in (b"/all", b"/configuration", b"/log", b"/workloads"):
            with socket.create_connection(listener.getsockname(), timeout=5) as client:
                server._round(1)
                client.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
                asked[at, path] = answer(server, client)
    server.close()
    assert [asked[0, path].split(b" ")[1] for path in (b"/all", b"/configuration", b"/log")] == [b"200", b"404", b"404"]
    assert [asked[1, path].split(b" ")[1] for path in (b"/all", b"/configuration", b"/log")] == [b"404", b"200", b"200"]
    assert asked[1, b"/configuration"].endswith(b'{\n "x": "/y"\n}\n')
    assert asked[1, b"/log"].endswith(b"\r\n\r\na line\n")


def test_the_thread_serves_and_stops():
    """Started it answers, closed it lets go of the port."""
    server = StatusServer([(listen(), routes())], clock=RealClock())
    server.start()
    assert server.is_alive()
    with socket.create_connection(place(server), timeout=5) as client:
        client.sendall(b"GET /ok HTTP/1.1\r\n\r\n")
        received = b"".join(iter(lambda: client.recv(4096), b""))
    assert received.endswith(b"fine\n")
    server.close()
    assert not server.is_alive()


def test_the_status_port_tells_the_agent_s_state():
    """Alive, ready (and why not), rules and metrics are what `Health` and `Counters` say at that moment."""
    health = Health()
    counters = Counters()
    metrics = Metrics(counters, health, build={"version": "1"})
    found = status_routes(health, lambda: metrics)
    assert found["/healthz"]().status == 200
    waiting = found["/readyz"]()
    assert (waiting.status, json.loads(waiting.body)["waiting_for"]) == (503, ["the probes are being loaded"])
    health.probe("open", ProbeStatus(attached=True))
    health.probe("exec", ProbeStatus(attached=False, reason="no BTF"))
    health.expect([("open", "common")])
    health.seen("open", "common")
    ready = found["/readyz"]()
    assert ready.status == 200
    assert json.loads(ready.body) == {"ready": True, "waiting_for": [], "degraded": {"probe exec": "no BTF"}, "probes": {"exec": "no BTF", "open": "attached"}}
    health.set_rules({"r": RuleStatus(RuleState.BLIND, "no probe")})
    assert json.loads(found["/rules"]().body) == {"r": {"status": "blind", "reason": "no probe"}}
    health.fail("drain", "gone")
    assert json.loads(found["/healthz"]().body) == {"alive": False, "stopped": {"drain": "gone"}}
    assert found["/healthz"]().status == 503
    counters.event("open", "common")
    exposed = found["/metrics"]()
    assert b'scout_events_total{kind="open",lane="common"} 1.0' in exposed.body
    assert exposed.content_type.startswith("text/plain")
