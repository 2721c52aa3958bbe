# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ipaddress import ip_network

import pytest

from sensor.events.dimensions import Dimension, Outcome, PathPattern, Profile
from sensor.rulelang.derive import derive
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import normalize
from tests.unit.rulelang.conditions import tree


def of(text, kind="open"):
    """Return dimension → (excluded, values) and exactness of one test."""
    derived = derive(normalize(tree(text), no_closures), kind)
    return {dimension.value: (out, set(values)) for dimension, (out, values) in derived.sets.items()}, derived.exact


@pytest.mark.parametrize(
    ("text", "kind", "sets", "exact"),
    [
        ("fd.num >= 0", "open", {"outcome": (False, {Outcome.SUCCEEDED})}, True),
        ("evt.failed = true", "open", {"outcome": (False, {Outcome.FAILED})}, True),
        ("evt.res = EINPROGRESS", "connect", {"outcome": (False, {Outcome.SUCCEEDED})}, False),
        ("evt.rawres < 0", "connect", {}, False),
        ("evt.is_open_write = true", "open", {"access": (False, {1, 2})}, True),
        ("not evt.is_open_read = true", "open", {"access": (False, {1, 3})}, True),
        ("proc.tty != 0", "exec", {"tty": (False, {1})}, True),
        ("container.id = host", "exec", {"profile": (False, {Profile.HOST})}, True),
        ("container.id != host", "exec", {"profile": (False, {Profile.CONTAINER})}, True),
        ("container.id = 0123456789ab", "exec", {"profile": (False, {Profile.CONTAINER})}, False),
        ("not container.id = 0123456789ab", "exec", {}, False),
        ("proc.name in (a, b)", "exec", {"comm": (False, {b"a", b"b"})}, True),
        ("not proc.name in (a, b)", "exec", {"comm": (True, {b"a", b"b"})}, True),
        ("proc.pname != a", "exec", {"pcomm": (True, {b"a"})}, False),
        ("proc.name startswith a", "exec", {}, False),
        ("proc.aname = a", "exec", {}, False),
        ("tolower(proc.name) = a", "exec", {}, False),
        ("fd.typechar = 4", "connect", {"family": (False, {2})}, False),
        ("not fd.typechar = u", "connect", {"family": (True, {1})}, False),
        ("fd.sport = 80", "connect", {"family": (False, {2, 10}), "port": (False, {80})}, True),
        ("not fd.sport in (0, 80)", "connect", {"port": (True, {80})}, False),
        ("fd.port = 80", "connect", {"family": (False, {2, 10})}, False),
        ("user.uid = 0", "open", {"uid": (False, {0})}, True),
        ("user.uid != 0", "exec", {"uid": (True, {0})}, True),
        ("not user.uid in (0, 1000)", "open", {"uid": (True, {0, 1000})}, True),
        ("user.uid > 0", "connect", {"uid": (True, {0})}, True),
        ("user.uid < 2", "open", {"uid": (False, {0, 1})}, True),
        ("user.uid >= 1000", "open", {}, False),
        ("user.uid = 99999999999", "open", {"uid": (False, set())}, True),
        ("user.uid != 99999999999", "open", {}, True),
        ("group.gid = 0", "open", {}, False),
        ("fd.ip = 10.0.0.1", "connect", {"family": (False, {2, 10})}, False),
        ("fd.rip = 10.0.0.1", "connect", {"family": (False, {2}), "address": (False, {ip_network("10.0.0.1")})}, True),
        ("fd.filename = shadow", "open", {"leaf": (False, {b"shadow"})}, True),
        ("not fd.filename = shadow", "open", {"leaf": (True, {b"shadow"})}, True),
        ("fd.filename = " + "n" * 32, "open", {}, False),
        ("fd.nameraw contains /../", "open", {"dotdot": (False, {1})}, False),
        ("fd.nameraw contains ../", "open", {}, False),
        ("fd.name = /etc/x", "connect", {"family": (False, {1})}, False),
        ("fd.name startswith /run/", "connect", {"family": (False, {1})}, False),
        ("fd.name in (/run/x, @x)", "connect", {}, False),
        ("not fd.name = /run/x", "connect", {}, False),
        ("fd.name endswith /x", "connect", {}, False),
        ("proc.is_exe_from_memfd = true", "exec", {"path": (False, {PathPattern(b"/memfd:", exact=False)})}, False),
        ("proc.is_exe_from_memfd = false", "exec", {}, False),
        ("proc.is_exe_from_memfd = true", "open", {}, False),
        ("proc.exepath = /opt/x", "open", {"exe": (False, {b"x"})}, False),
        ("proc.exepath in (/opt/x, /opt/y)", "connect", {"exe": (False, {b"x", b"y"})}, False),
        ("proc.exepath endswith /x", "open", {"exe": (False, {b"x"})}, False),
        ("proc.exepath endswith x", "open", {}, False),
        ("proc.exepath glob /opt/*/x", "open", {"exe": (False, {b"x"})}, False),
        ("proc.exepath glob /opt/x*", "open", {}, False),
        ("proc.exepath startswith /opt/", "open", {}, False),
        ("not proc.exepath = /opt/x", "open", {}, False),
        ("proc.exepath != /opt/x", "open", {}, False),
    ],
)
def test_what_a_test_implies(text, kind, sets, exact):
    """Each field gives its dimensions, and says whether they are all of it."""
    assert of(text, kind) == (sets, exact)


def test_a_path_gives_leaf_directory_and_path():
    """The cheap dimensions come with the dear one."""
    sets, exact = of("fd.name = /etc/ssh/key")
    path = (False, {PathPattern(b"/etc/ssh/key", exact=True)})
    assert sets == {"leaf": (False, {b"key"}), "directory": (False, {b"ssh"}), "above": (False, {b"etc"}), "path": path}
    assert exact


def test_flags_are_sets_of_sums():
    """O_CREAT is bit 1: half of the sixteen sums have it."""
    sets, exact = of("evt.arg.flags contains O_CREAT")
    assert sets["creation"] == (False, {1, 3, 5, 7, 9, 11, 13, 15})
    assert exact
    assert of("not evt.arg.flags contains O_TRUNC")[0]["creation"] == (False, {0, 1, 4, 5, 8, 9, 12, 13})


def test_networks_that_span_ipv4_are_never_excluded():
    """In a table of 128 bits they would exclude IPv4 peers too."""
    assert of('not fd.sip in ("::/0")', "connect") == ({}, False)
    assert Dimension.ADDRESS.value in of('fd.sip in ("::/0")', "connect")[0]
