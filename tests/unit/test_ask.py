# SPDX-License-Identifier: Apache-2.0
"""Asking a running sensor: what answers is an HTTP server of the test's own."""

from __future__ import annotations

import socket
import threading

import pytest

from sensor import ask
from sensor.core.errors import EnvironmentRefusal


@pytest.fixture(params=["port", "socket"])
def sensor(request, tmp_path):
    """A listener that gives one answer, over TCP or a Unix socket, and how to ask it."""
    server = socket.create_server(("127.0.0.1", 0)) if request.param == "port" else socket.socket(socket.AF_UNIX)
    if request.param == "socket":
        server.bind(str(tmp_path / "s"))
        server.listen()
    server.settimeout(5)
    answers, asked = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"], []

    def answer() -> None:
        client, _ = server.accept()
        with client:
            asked.append(client.recv(4096))
            client.sendall(answers[0])

    thread = threading.Thread(target=answer)
    thread.start()
    yield (ask.at_port(server.getsockname()[1]) if request.param == "port" else ask.at_socket(tmp_path / "s")), answers, asked
    thread.join()
    server.close()


def test_an_answer_is_its_body(sensor):
    """Whatever was asked for."""
    to, _, asked = sensor
    assert to("/rules") == "hi"
    assert asked[0].startswith(b"GET /rules HTTP/1.1\r\n")


def test_not_ready_is_an_answer(sensor):
    """A 503 has a body, and the support archive wants it."""
    to, answers, _ = sensor
    answers[0] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"
    assert to("/readyz") == "no"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nthere is /x\n", "answers 404 to /log: there is /x"),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\n\r\nImportErr", "answers 500 to /log: ImportErr"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "is cut short"),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(sensor, answer, said):
    """An older sensor, another program, a connection that was dropped: an archive would hold it as the log."""
    to, answers, _ = sensor
    answers[0] = answer
    with pytest.raises(EnvironmentRefusal, match=said) as caught:
        to("/log")
    assert caught.value.hint


def test_bytes_that_are_no_text_are_shown(sensor):
    """They are somebody's; the archive takes text."""
    to, answers, _ = sensor
    answers[0] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff"
    assert to("/log") == "\\xff"


def test_something_else_is_one_message(sensor):
    """What answers speaks no HTTP."""
    to, answers, _ = sensor
    answers[0] = b"220 mail ready\r\n"
    with pytest.raises(EnvironmentRefusal, match="no sensor answers on"):
        to("/rules")


def test_nobody_is_one_message(tmp_path):
    """With what to do."""
    for to in (ask.at_port(1), ask.at_socket(tmp_path / "none"), ask.at_socket(tmp_path / ("n" * 200))):
        with pytest.raises(EnvironmentRefusal, match="no sensor answers on") as caught:
            to("/rules")
        assert "--status-" in caught.value.hint
