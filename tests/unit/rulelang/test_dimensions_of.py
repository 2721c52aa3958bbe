# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from ipaddress import ip_network

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Clause, Constraint, Dimension, Outcome, PathPattern, Profile
from sensor.rulelang.dimensions_of import UNKNOWN, dimension_values, satisfied, survivors
from tests.unit.events_factory import make_event, make_workload


def test_an_open():
    """Every dimension of an open has its value."""
    values = dimension_values(make_event("open", path="/etc/shadow", open_flags=os.O_RDWR | os.O_CREAT, comm="x", container=True))
    assert {dimension.value: value for dimension, value in values.items()} == {
        "outcome": Outcome.SUCCEEDED, "access": 2, "creation": 1, "dotdot": 0, "tty": 0, "leaf": b"shadow", "profile": Profile.CONTAINER, "uid": 1000,
        "comm": b"x", "pcomm": b"bash", "exe": b"cat", "directory": b"etc", "above": UNKNOWN, "path": b"/etc/shadow",
    }  # fmt: skip
    assert dimension_values(make_event("open", path="/etc/sudoers.d/x"))[Dimension.ABOVE] == b"etc"
    assert dimension_values(make_event("open", path="/a/b/sudoers.d/x"))[Dimension.ABOVE] == b"b"


def test_what_is_unknown():
    """Cut, failed and not yet known values keep every clause."""
    assert dimension_values(make_event("open", path="/x/y", flags=int(FrameFlag.PATH_CUT)))[Dimension.PATH] is UNKNOWN
    assert dimension_values(make_event("open", path="/x/y", flags=int(FrameFlag.PATH_CUT)))[Dimension.LEAF] == b"y"
    assert dimension_values(make_event("open", path="/x", flags=int(FrameFlag.PATH_CUT)))[Dimension.DIRECTORY] is UNKNOWN
    failed = dimension_values(make_event("open", ret=-2, path="", asked="/etc/x"))
    assert (failed[Dimension.LEAF], failed[Dimension.PATH]) == (UNKNOWN, b"/etc/x")
    for other in ("x", "/etc//x", "/etc/./x", "/etc/x/", "/a/../etc/x"):
        assert dimension_values(make_event("open", ret=-2, path="", asked=other))[Dimension.PATH] is UNKNOWN
    assert dimension_values(make_event("open", workload=make_workload(Profile.UNKNOWN)))[Dimension.PROFILE] is UNKNOWN


def test_names_that_are_no_constant():
    """A pseudo file has the name that its text spells, a root and a pipe an empty one, and a long name is none of the constants."""

    def names(path, **more):
        values = dimension_values(make_event("open", path=path, **more))
        return values[Dimension.DIRECTORY], values[Dimension.LEAF]

    assert names("/memfd:x", flags=int(FrameFlag.PATH_DETACHED)) == (b"/", b"memfd:x")
    assert names("/") == (b"/", b"")
    assert names("/shadow") == (b"/", b"shadow")
    assert names("/x/" + "y" * 32) == (b"x", b"y" * 32)


def test_what_an_act_does_not_have():
    """A Unix socket has neither port nor address: what asks for one is dropped, what excludes some is kept."""
    values = dimension_values(make_event("connect", family=1))
    assert not satisfied(Constraint(Dimension.PORT, (9,)), values[Dimension.PORT])
    assert satisfied(Constraint(Dimension.ADDRESS, (ip_network("10.0.0.0/8"),), negated=True), values[Dimension.ADDRESS])


def test_a_mapped_peer_has_two_families():
    """And a clause that excludes one keeps it for the other."""
    value = dimension_values(make_event("connect", family=10, daddr="::ffff:10.0.0.1"))[Dimension.FAMILY]
    assert value == {2, 10}
    assert satisfied(Constraint(Dimension.FAMILY, (2,), negated=True), value)


def test_addresses_are_looked_up_in_128_bits():
    """An IPv4 network is a network of mapped addresses."""
    value = dimension_values(make_event("connect", daddr="10.1.2.3"))[Dimension.ADDRESS]
    assert satisfied(Constraint(Dimension.ADDRESS, (ip_network("10.0.0.0/8"),)), value)
    assert not satisfied(Constraint(Dimension.ADDRESS, (ip_network("10.0.0.0/16"),)), value)
    assert satisfied(Constraint(Dimension.ADDRESS, (ip_network("::/0"),)), value)


def test_either_view_keeps_a_clause():
    """A bind mount is classified by its path and by the path inside its filesystem."""
    clause = Clause(kind="open", constraints=(Constraint(Dimension.PATH, (PathPattern(b"/etc/shadow", exact=True),)),), rules=("r",))
    event = make_event("open", path="/mnt/x", fs_path="/etc/shadow", flags=int(FrameFlag.FS_PATH))
    assert survivors([clause], event) == 1
    assert survivors([clause], make_event("open", path="/mnt/x")) == 0
