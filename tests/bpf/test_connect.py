# SPDX-License-Identifier: Apache-2.0
"""Connects: the peer that the kernel spoke to, how it went, both ends' addresses; in both forms."""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Dimension, Outcome
from tests.bpf.live import SLOW, clause, describe, flags, is_, not_, numbers

NONBLOCK = os.O_NONBLOCK
TCP, UDP = 6, 17


def packed(address: str) -> bytes:
    """An address as frames have it."""
    found = ip_address(address)
    return found.packed if found.version == 6 else bytes(10) + b"\xff\xff" + found.packed


@contextmanager
def listening(family: int = socket.AF_INET, address: str | bytes = "127.0.0.1"):
    """A socket that takes connections, which are never looked at."""
    with socket.socket(family) as server:
        server.bind((address, 0) if family != socket.AF_UNIX else address)
        server.listen(64)
        yield server


@contextmanager
def unused_port():
    """A port that nobody listens on: it is bound and stays so."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def by_name(side, name):
    """Every connect of processes called *name*."""
    side.watch(clause("connect", is_(Dimension.COMM, name.encode())))


def connect(side, driver, name, *words) -> tuple:
    """The one event of the driver's connect, and what the driver says of it."""
    told = {}
    event = side.one(lambda: told.update(driver("comm", name, *words)), "connect")
    return event, told


def check(event, side, *, asked: bool = False, **expected) -> None:
    """The event's values; where only the call's end is seen, a peer that the socket has forgotten is as asked, and marked."""
    old = not side.kernel.features.set_state
    expected.setdefault("flags", FrameFlag.PEER_UNKNOWN if asked or (old and expected["ret"] < 0) else FrameFlag(0))
    if FrameFlag.PEER_UNKNOWN in expected["flags"]:  # nothing but the call's arguments is known then
        expected = {key: value for key, value in expected.items() if key not in {"protocol", "saddr", "sport"}}
    found = {key: flags(event) if key == "flags" else getattr(event, key) for key in expected}
    assert found == expected, describe(event)


@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize(("word", "address"), [("4", "127.0.0.1"), ("6", "::1")])
def test_tcp_that_succeeds(side, driver, name, word, address):
    """Peer, own address and port, protocol, descriptor."""
    family = socket.AF_INET if word == "4" else socket.AF_INET6
    with listening(family, address) as server:
        port = server.getsockname()[1]
        event, told = connect(side, driver, name, "connect", "tcp", 0, word, address, port)
    (fd, own_port) = numbers(told, "fd", "own_port")
    expected = {"family": family, "protocol": TCP, "daddr": packed(address), "dport": port, "saddr": packed(told["own"]), "sport": own_port}
    check(event, side, ret=0, fd=fd, unix_path=b"", candidates=1, lane=0, **expected)


@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize(("word", "address"), [("4", "127.0.0.1"), ("6", "::1")])
def test_tcp_that_is_refused(side, driver, name, word, address):
    """The socket has forgotten its peer by then; the event has not."""
    with unused_port() as port:
        event, told = connect(side, driver, name, "connect", "tcp", 0, word, address, port)
    family = socket.AF_INET if word == "4" else socket.AF_INET6
    check(event, side, ret=-errno.ECONNREFUSED, fd=int(told["fd"]), family=family, daddr=packed(address), dport=port, protocol=TCP, saddr=packed(address))


@pytest.mark.usefixtures("by_name")
def test_tcp_that_does_not_wait(side, driver, name):
    """A connect under way is told as such, with both ends."""
    with listening() as server:
        port = server.getsockname()[1]
        event, told = connect(side, driver, name, "connect", "tcp", NONBLOCK, "4", "127.0.0.1", port)
    assert told["connect"] == str(-errno.EINPROGRESS)
    check(event, side, ret=-errno.EINPROGRESS, daddr=packed("127.0.0.1"), dport=port, protocol=TCP, saddr=packed("127.0.0.1"), sport=int(told["own_port"]))


@pytest.mark.usefixtures("by_name")
def test_a_mapped_peer(side, driver, name):
    """An IPv6 socket that speaks to an IPv4 peer is told with the mapped address."""
    with listening() as server:
        port = server.getsockname()[1]
        event, told = connect(side, driver, name, "connect", "tcp", 0, "6", "::ffff:127.0.0.1", port)
    assert told["connect"] == "0"
    check(event, side, ret=0, daddr=packed("127.0.0.1"), dport=port, protocol=TCP)
    assert event.family in {socket.AF_INET, socket.AF_INET6}


@pytest.mark.usefixtures("by_name")
@pytest.mark.parametrize(("word", "address"), [("4", "127.0.0.5"), ("6", "::1")])
def test_udp(side, driver, name, word, address):
    """A datagram socket's peer, with the own address that was chosen for it."""
    event, told = connect(side, driver, name, "connect", "udp", 0, word, address, 53)
    expected = {"daddr": packed(address), "dport": 53, "saddr": packed(told["own"]), "sport": int(told["own_port"]), "fd": int(told["fd"])}
    if event.protocol:  # a bit field before 5.6, which is not read
        expected["protocol"] = UDP
    check(event, side, ret=0, **expected)


@pytest.mark.usefixtures("by_name")
def test_unix_sockets(side, driver, name, tmp_path):
    """A path is told with its NUL, an abstract name behind one."""
    path = str(tmp_path / "socket")
    for word, bound, told_as in (("unix", path, path.encode() + b"\0"), ("abstract", f"\0{name}", b"\0" + name.encode())):
        with listening(socket.AF_UNIX, bound):
            event, _ = connect(side, driver, name, "connect", "stream", 0, word, bound.lstrip("\0"))
        check(event, side, ret=0, family=socket.AF_UNIX, unix_path=told_as, protocol=0, dport=0, daddr=bytes(16), sport=0)
    event, _ = connect(side, driver, name, "connect", "stream", 0, "unix", tmp_path / "nobody")
    check(event, side, asked=True, ret=-errno.ENOENT, family=socket.AF_UNIX, unix_path=os.fsencode(tmp_path / "nobody") + b"\0")
    with listening(socket.AF_UNIX, str(tmp_path / "gone")):
        pass
    event, _ = connect(side, driver, name, "connect", "stream", 0, "unix", tmp_path / "gone")
    check(event, side, asked=True, ret=-errno.ECONNREFUSED, family=socket.AF_UNIX)


@pytest.mark.usefixtures("by_name")
def test_no_way_to_the_peer(side, driver, name):
    """What failed before a packet was sent is shown as asked, and marked."""
    act = ("unshare", 0x40000000, "connect", "tcp", 0, "4", "203.0.113.9", 443)
    event, told = connect(side, driver, name, *act)
    assert told["connect"] == str(-errno.ENETUNREACH)
    check(event, side, asked=True, ret=-errno.ENETUNREACH, family=socket.AF_INET, daddr=packed("203.0.113.9"), dport=443, fd=int(told["fd"]))


@pytest.mark.usefixtures("by_name")
def test_fast_open(side, driver, name):
    """A handshake that sendto() began is told as one under way, with no descriptor; where only connect(2) is seen, not at all."""
    told = {}
    with listening() as server:
        port = server.getsockname()[1]
        events = side.after(lambda: told.update(driver("comm", name, "fastopen", "4", "127.0.0.1", port)), kind="connect")
    if int(told["sendto"]) == -errno.EOPNOTSUPP:
        pytest.skip(reason="fast open is switched off here")
    if not side.kernel.features.set_state:
        assert events == []
        return
    (event,) = events
    check(event, side, ret=-errno.EINPROGRESS, fd=-1, family=socket.AF_INET, daddr=packed("127.0.0.1"), dport=port, protocol=TCP)


@contextmanager
def never_answering():
    """A port whose queue is full: a handshake with it neither succeeds nor fails."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(8):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        try:
            yield server
        finally:
            for one in waiting:
                one.close()


def accepting(server: socket.socket, done: threading.Event) -> None:
    """Make room in the queue until *done*, so that the handshake that waits is answered when it is tried again, whoever else tries."""
    server.settimeout(0.05)
    while not done.is_set():
        with suppress(TimeoutError):
            server.accept()[0].close()


@pytest.mark.parametrize("restart", [0, 1], ids=["interrupted", "restarted"])
def test_a_signal_does_not_hide_a_connect(side, driver, name, restart):
    """A connect that a signal interrupts goes on behind the call's back, so it is told as under way, and a rule on success sees it."""
    side.watch(
        clause("connect", is_(Dimension.COMM, name.encode()), is_(Dimension.OUTCOME, Outcome.SUCCEEDED)),
        clause("connect", is_(Dimension.COMM, name.encode()), is_(Dimension.OUTCOME, Outcome.FAILED)),
    )
    done = threading.Event()
    with never_answering() as server:
        port = server.getsockname()[1]
        answering = threading.Thread(target=accepting, args=(server, done))

        def act() -> None:
            words = ("comm", name, "interrupted", min(900, int(200 * SLOW)), restart, "connect", "tcp", 0, "4", "127.0.0.1", port)
            with driver.waiting(*words) as interrupted:
                answering.start()
                interrupted.finish()
            done.set()
            answering.join()

        events = side.after(act, kind="connect")
    assert events
    assert events[0].candidates == 1, describe(events[0])
    assert (events[0].ret, events[0].dport) == (-errno.EINPROGRESS, port)


@pytest.mark.usefixtures("by_name")
def test_an_address_at_the_end_of_a_page(side, driver, name):
    """Not a byte more than the call read is read, so the family is known."""
    side.watch(
        clause("connect", is_(Dimension.COMM, name.encode()), is_(Dimension.FAMILY, socket.AF_INET)),
        clause("connect", is_(Dimension.COMM, name.encode()), is_(Dimension.FAMILY, socket.AF_UNIX)),
    )
    event, _ = connect(side, driver, name, "unshare", 0x40000000, "connect-at-page-end", "tcp", 0, "4", "203.0.113.9", 443)
    assert (event.candidates, event.family, event.daddr, event.dport) == (1, socket.AF_INET, packed("203.0.113.9"), 443)
    event, _ = connect(side, driver, name, "connect-at-page-end", "stream", 0, "unix", "/nobody")
    assert (event.candidates, event.family, event.unix_path) == (2, socket.AF_UNIX, b"/nobody\0")


V4, V6 = "127.64.3.9", "::1"
PEERS = (
    # what is tested, whether it holds for 127.64.3.9 port P, and for ::1 port P
    (lambda port: is_(Dimension.ADDRESS, IPv4Network(V4)), True, False),
    (lambda port: is_(Dimension.ADDRESS, IPv4Network("127.64.0.0/10"), IPv4Network("10.0.0.0/8")), True, False),
    (lambda port: is_(Dimension.ADDRESS, IPv4Network("127.64.3.8/31")), True, False),
    (lambda port: is_(Dimension.ADDRESS, IPv4Network("127.64.3.10/31")), False, False),
    (lambda port: is_(Dimension.ADDRESS, IPv4Network("0.0.0.0/0")), True, False),
    (lambda port: is_(Dimension.ADDRESS, IPv6Network("::1/128")), False, True),
    (lambda port: is_(Dimension.ADDRESS, IPv6Network("::/64")), True, True),  # a mapped address lies in it
    (lambda port: is_(Dimension.ADDRESS, IPv6Network("fd00::/8")), False, False),
    (lambda port: is_(Dimension.ADDRESS, IPv6Network("::ffff:127.64.3.0/120")), True, False),
    (lambda port: not_(Dimension.ADDRESS, IPv4Network("127.64.0.0/10")), False, True),
    (lambda port: not_(Dimension.ADDRESS, IPv6Network("::1/128")), True, False),
    (lambda port: not_(Dimension.ADDRESS, IPv4Network("10.0.0.0/8"), IPv6Network("fe80::/10")), True, True),
    (lambda port: is_(Dimension.PORT, port), True, True),
    (lambda port: is_(Dimension.PORT, port ^ 0x100, port ^ 1), False, False),
    (lambda port: not_(Dimension.PORT, port), False, False),
    (lambda port: not_(Dimension.PORT, port ^ 0x100), True, True),
    (lambda port: is_(Dimension.FAMILY, socket.AF_INET), True, False),
    (lambda port: is_(Dimension.FAMILY, socket.AF_INET6), False, True),
    (lambda port: not_(Dimension.FAMILY, socket.AF_UNIX), True, True),
    (lambda port: not_(Dimension.FAMILY, socket.AF_INET), False, True),
    (lambda port: is_(Dimension.OUTCOME, 0), True, True),
    (lambda port: is_(Dimension.OUTCOME, 1), False, False),
)


def test_the_constraints_of_connects(side, driver, name):
    """Each constraint is kept where it holds and dropped where it does not, to the bit."""
    with listening(socket.AF_INET6, "::") as server:
        port = server.getsockname()[1]
        side.watch(*(clause("connect", is_(Dimension.COMM, name.encode()), make(port)) for make, _, _ in PEERS))
        for word, address, column in (("4", V4, 1), ("6", V6, 2)):
            event, _ = connect(side, driver, name, "connect", "tcp", 0, word, address, port)
            assert event.candidates == sum(1 << bit for bit, row in enumerate(PEERS) if row[column]), describe(event)
        event, _ = connect(side, driver, name, "connect", "tcp", 0, "6", f"::ffff:{V4}", port)
        both = sum(1 << bit for bit, row in enumerate(PEERS) if row[1] or row[0](port).dimension is Dimension.FAMILY)
        assert event.candidates == both, "a mapped peer is of both families"


def test_a_peer_that_nobody_asked_for(side, driver, name):
    """Neither an address nor a port of Unix sockets satisfies a clause; nothing leaves the kernel for them."""
    side.watch(clause("connect", is_(Dimension.COMM, name.encode()), is_(Dimension.ADDRESS, IPv4Network("0.0.0.0/0"))))
    before = side.kernel.session.sent()["connect"]
    assert side.after(lambda: driver("comm", name, "connect", "stream", 0, "unix", "/nobody"), kind="connect") == []
    assert side.kernel.session.sent()["connect"] == before
