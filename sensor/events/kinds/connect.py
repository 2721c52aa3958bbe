# SPDX-License-Identifier: Apache-2.0
"""A socket was connected to a peer, or could not be."""

from __future__ import annotations

from sensor.events.spec import EventSpec, Field, Scalar, Tail

UNIX_PATH_BYTES = 108
"""sizeof(sun_path), include/uapi/linux/un.h."""

CONNECT = EventSpec(
    name="connect",
    number=4,
    doc="connect; TCP as the kernel began the handshake, others at the call's end",
    fields=(
        Field(name="ret", scalar=Scalar.I32, doc="0, or the negative errno; -EINPROGRESS is a success under way"),
        Field(name="fd", scalar=Scalar.I32, doc="descriptor of the call; -1 when no connect call was under way (fast open)"),
        Field(name="family", scalar=Scalar.U16, doc="AF_INET, AF_INET6 or AF_UNIX"),
        Field(name="protocol", scalar=Scalar.U16, doc="IPPROTO_TCP, IPPROTO_UDP …; 0 for AF_UNIX"),
        Field(name="dport", scalar=Scalar.U16, doc="peer's port, host order"),
        Field(name="sport", scalar=Scalar.U16, doc="own port, host order; 0 when not bound"),
        Field(name="daddr", count=16, doc="peer's address; IPv4 as ::ffff:a.b.c.d"),
        Field(name="saddr", count=16, doc="own address in the same form"),
    ),
    tails=(Tail(name="unix_path", max_bytes=UNIX_PATH_BYTES, doc="AF_UNIX: the peer's path; an abstract one starts with NUL"),),
)
