# SPDX-License-Identifier: Apache-2.0
"""
The values that conditions are about, and what it means not to know one.

A field gives, for an event, a value of its type, ``None`` (the event has no
such thing) or an `Unknown`. Text is bytes, as the kernel has it: no decoding,
so invalid UTF-8 is a text like any other. Addresses are 128-bit numbers,
IPv4 inside ``::ffff:0:0/96``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

COMM_TEXT_BYTES = 15
"""Most bytes of a process name (TASK_COMM_LEN without its NUL)."""


Event = Any
"""One of the classes that `sensor.events.decode` generates, with its workload."""


class FieldType(Enum):
    """What kind of value a field has; the text is for messages and documentation."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "true or false"
    ADDRESS = "address"
    BUFFER = "bytes"


class Unknown:
    """
    A value that exists but could not be read whole; *suffix* is the end of it that is known.

    A test on it is true unless the known end contradicts, and so is its
    negation: an attacker who makes a value unknown widens what fires. Where it
    is known to be one of a few values, *among* has them, and a test or its
    negation is true when it is for one of those.
    """

    __slots__ = ("among", "suffix")

    def __init__(self, suffix: bytes = b"", among: tuple[Any, ...] = ()) -> None:
        self.suffix = suffix
        self.among = among

    def __repr__(self) -> str:
        return f"Unknown({self.suffix!r})"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses with the same first bits; *v6_only* keeps IPv4 sockets out of an IPv6 network that spans the mapped range."""

    network: int
    mask: int
    v6_only: bool
    text: str


MAPPED_BITS = 96
"""Bits in front of an IPv4 address in its IPv6 form."""

_MAPPED = 0xFFFF << 32
_ALL = (1 << 128) - 1


def parse_network(text: str) -> Network:
    """
    Return the network that *text* (an address or CIDR) names; host bits may be set, as Falco allows.

    Raises:
        ValueError: it names none.
    """
    network = ip_network(text, strict=False)
    if isinstance(network, IPv4Network):
        return Network(_MAPPED | int(network.network_address), (_ALL << (32 - network.prefixlen)) & _ALL, v6_only=False, text=text)
    mask = int(network.netmask)
    inside_mapped = network.prefixlen >= MAPPED_BITS and int(network.network_address) & (_ALL << 32) == _MAPPED
    return Network(int(network.network_address), mask, v6_only=not inside_mapped, text=text)


def as_ip_network(network: Network) -> IPv4Network | IPv6Network:
    """Return *network* as the type that constraints carry; a part of the mapped range is an IPv4 network."""
    bits = network.mask.bit_count()
    if not network.v6_only:
        return IPv4Network((network.network & 0xFFFFFFFF, bits - MAPPED_BITS))
    return IPv6Network((network.network, bits))


def spans_mapped(network: Network) -> bool:
    """Tell whether an IPv6 network contains the IPv4-mapped range, so that 128-bit tables take IPv4 peers for members."""
    return network.v6_only and (_MAPPED & network.mask) == network.network
