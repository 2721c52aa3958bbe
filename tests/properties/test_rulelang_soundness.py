# SPDX-License-Identifier: Apache-2.0
"""Random conditions over random events: the compiler, the clauses and the interpreter agree."""

from __future__ import annotations

import os
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.rulelang.clauses import RuleTerms, assign, terms_of
from sensor.rulelang.codegen import compile_condition
from sensor.rulelang.dimensions_of import survivors, views
from sensor.rulelang.getters import O_PATH
from sensor.rulelang.interpret import holds
from sensor.rulelang.optimize import for_kind, normalize
from tests.properties.random_conditions import KNOWN, Words, conditions
from tests.unit.events_factory import make_event, make_workload
from tests.unit.rulelang.conditions import tree

WORDS = Words(
    paths=[
        "/etc/shadow",
        "/etc/sudoers.d/x",
        "/shadow",
        "/",
        "/bin/sh",
        "/usr/bin/sh",
        "/home/u/.ssh/id_rsa",
        "/x/shadow",
        "/run/x",
        "/var/run/x",
        "/dev/shm/a",
        "/etc/" + "n" * 40,
        "/p" * 80 + "/shadow",
        "rel/shadow",
        "shadow",
        "/a/.ssh/id_rsa",
        "/etc/a/../shadow",
        "../etc/shadow",
    ],
    prefixes=["/", "/etc", "/etc/", "/bin/", "/var/run/", "/dev/shm/", "/home/u/.ssh", "/p" * 70, "rel"],
    suffixes=["/shadow", "shadow", "/.ssh/id_rsa", "dow", "/u/.ssh/id_rsa", "/", "/etc/shadow"],
    globs=["/etc/*", "*/shadow", "/home/*/.ssh/id_rsa", "/etc/shado?", "/etc/[st]hadow", "/etc/shadow", "@(/etc|/x)/shadow"],
    directories=["/etc", "/", "/etc/", "/etc/sudoers.d", "/bin", "/home/u/.ssh"],
    leaves=["shadow", "x", "id_rsa", "n" * 40, ""],
    comms=["cat", "sh", "sshd", "a-name-of-15-by", "a-name-of-15-bytes-and-more", "x"],
    addresses=["10.0.0.1", "10.0.0.0/8", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::/32", "::/0", "0.0.0.0/0", "::1", "169.254.169.254", "::"],
    ports=[0, 80, 443, 70000],
    ids=[0, 1000, 65534, 2**32 - 1],
)
CONDITIONS = conditions(WORDS)
EXAMPLES = int(os.environ.get("SCOUT_EXAMPLES") or 0) or settings.default.max_examples * 10
"""Hundreds where people work, thousands in CI."""

text = st.sampled_from([path.encode() for path in WORDS.paths] + [b"", b"memfd:x", b"\xff/shadow", b"/etc/shadow/"])
comm = st.sampled_from([value.encode()[:15] for value in WORDS.comms] + [b""])


@st.composite
def events(draw):
    """Draw an event of any kind, whole or damaged."""
    kind = draw(st.sampled_from(["open", "exec", "connect"]))
    flags = 0
    for flag in (FrameFlag.PATH_CUT, FrameFlag.PATH_DETACHED, FrameFlag.ASKED_CUT, FrameFlag.ASKED_FAULTED, FrameFlag.EXE_CUT, FrameFlag.EXE_DETACHED,
                 FrameFlag.CWD_CUT, FrameFlag.CMDLINE_FAULTED, FrameFlag.CREATION_UNSURE, FrameFlag.CREATION_UNSURE | FrameFlag.FLAGS_UNSURE):  # fmt: skip
        if draw(st.integers(0, 7)) == 0:
            flags |= int(flag)
    workload = make_workload(draw(st.sampled_from(list(Profile))))
    values = {
        "workload": workload, "comm": draw(comm), "pcomm": draw(comm), "exe_path": draw(text), "tty_dev": draw(st.sampled_from([0, 1, 34816])),
        "ppid": draw(st.sampled_from([0, 999])), "ret": draw(st.sampled_from([0, 3, -1, -2, -13, -115])),
        "euid": draw(st.sampled_from(WORDS.ids)),
        "ancestors": draw(st.sampled_from([(), ((999, b"sh"),), ((999, b"x"), (1, b"sshd"))])),
    }  # fmt: skip
    if kind == "connect":
        family = draw(st.sampled_from([1, 2, 10]))
        v4 = st.sampled_from(["10.0.0.1", "169.254.169.254", "0.0.0.0"])
        v6 = st.sampled_from(["2001:db8::1", "::1", "::", "::ffff:10.0.0.1"])
        address = st.one_of(v4, v6) if family == 10 else v4
        values |= {
            "family": family,
            "protocol": draw(st.sampled_from([6, 17, 0])),
            "dport": draw(st.sampled_from([0, 80, 443])),
            "sport": draw(st.sampled_from([0, 80, 40000])),
            "daddr": draw(address),
            "saddr": draw(address),
            "unix_path": draw(text),
        }
        if family == 1:
            values |= {"dport": 0, "sport": 0, "daddr": "::", "saddr": "::"}
    if kind == "open":
        asked = draw(text)
        open_flags = sum(draw(st.sets(st.sampled_from([os.O_CREAT, os.O_TRUNC, os.O_EXCL, os.O_APPEND, os.O_DIRECTORY, O_PATH]), max_size=3)))
        values |= {
            "open_flags": open_flags | draw(st.integers(0, 3)),
            "asked": asked,
            "dirfd": draw(st.sampled_from([-100, 5])),
            "syscall": draw(st.sampled_from([2, 85, 257, 437])),
            "open_mode": draw(st.sampled_from([0, 0o755])),
            "path": draw(text) if values["ret"] >= 0 else b"",
        }
    if kind == "exec":
        values["asked"] = draw(text)
    if kind != "connect" and draw(st.booleans()):
        flags |= int(FrameFlag.FS_PATH)
        values["fs_path"] = draw(text)
    return make_event(kind, flags=flags, **values)


def closures(path):
    """Return a link of the pretended root: /etc/shadow leads to /x/shadow."""
    return (b"/x/shadow",) if path == b"/etc/shadow" else ()


@lru_cache(maxsize=4096)
def compiled(condition):
    """Return the tree and, per kind, function and clauses."""
    checked = tree(condition, KNOWN)
    normal = normalize(checked, closures)
    kinds = {}
    for kind in ("open", "exec", "connect"):
        special = for_kind(normal, kind)
        terms = terms_of(special, kind)
        clauses, _ = assign(kind, [RuleTerms("r", True, terms)])
        kinds[kind] = (compile_condition(special, "r").match, clauses)
    return checked, kinds


def with_path(event, path):
    """Return *event* seen under another path."""
    other = make_event("open" if event.kind_name == "open" else "exec")
    other.__dict__.update(event.__dict__)
    setattr(other, "path" if event.kind_name == "open" else "exe_path", path)
    return other


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(condition=CONDITIONS, event=events())
def test_compiler_clauses_and_interpreter_agree(condition, event):
    """The generated function returns what the interpreter returns, and a match has kept a clause."""
    checked, kinds = compiled(condition)
    match, clauses = kinds[event.kind_name]
    meaning = holds(checked, event, closures)
    assert match(event) == meaning
    matched = meaning
    if len(views(event)) > 1:
        matched = matched or holds(checked, with_path(event, event.fs_path), closures)
    if matched:
        assert survivors(clauses, event)


@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(conditions=st.lists(CONDITIONS, min_size=2, max_size=12), event=events(), bits=st.integers(1, 6))
def test_rules_that_share_bits_keep_them(conditions, event, bits):
    """However few bits there are, a rule that matches is a candidate of a clause that the event keeps."""
    wanted = []
    for at, condition in enumerate(conditions):
        normal = normalize(compiled(condition)[0], closures)
        wanted.append(RuleTerms(f"r{at}", at % 2 == 0, terms_of(for_kind(normal, event.kind_name), event.kind_name)))
    clauses, _ = assign(event.kind_name, wanted, bits)
    assert len(clauses) <= bits
    kept = survivors(clauses, event)
    candidates = {name for at, clause in enumerate(clauses) if kept >> at & 1 for name in clause.rules}
    for at, condition in enumerate(conditions):
        if holds(compiled(condition)[0], event, closures):
            assert f"r{at}" in candidates, condition


def test_an_own_address_of_another_family_than_the_peers():
    """Found by random conditions: either address counts for fd.ip, but the kernel asks the family of the peer."""
    event = make_event("connect", family=10, daddr="2001:db8::1", saddr="::ffff:10.0.0.1")
    match, clauses = compiled('fd.ip = "10.0.0.1"')[1]["connect"]
    assert match(event)
    assert survivors(clauses, event)
