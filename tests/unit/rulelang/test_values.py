# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from sensor.rulelang.values import Unknown, as_ip_network, parse_network, spans_mapped


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.1.2.3/8", IPv4Network("10.0.0.0/8")),
        ("10.1.2.3", IPv4Network("10.1.2.3/32")),
        ("::ffff:10.1.2.3", IPv4Network("10.1.2.3/32")),
        ("2001:db8::/32", IPv6Network("2001:db8::/32")),
    ],
)
def test_networks_go_there_and_back(text, network):
    """What a rule writes becomes what a constraint carries; the mapped range is IPv4."""
    assert as_ip_network(parse_network(text)) == network


def test_networks_that_span_ipv4():
    """Only IPv6 networks that contain the whole mapped range span it."""
    assert spans_mapped(parse_network("::/0"))
    assert not spans_mapped(parse_network("2001:db8::/32"))
    assert not spans_mapped(parse_network("0.0.0.0/0"))


def test_an_unknown_value_shows_what_is_known():
    """Its end is told."""
    assert repr(Unknown(b"/x")) == "Unknown(b'/x')"
