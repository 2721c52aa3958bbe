# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor.events.common import HEADER, PROCESS, SHARED_TAILS, FrameFlag
from sensor.events.registry import KINDS
from sensor.probes.proof import MEMBERS, own_truth, prove

STAT = "4711 (a) b) c) S 999 4711 999 34818 4711 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1 2 3\n"
STATUS = (
    "Name:\tscout\nTgid:\t4711\nPid:\t4711\nPPid:\t999\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNStgid:\t4711\t12\n"
    "CapPrm:\t000001fffeffffff\nCapEff:\t0000000000000000\n"
)


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """A made-up /proc with this process, its parent and init."""
    monkeypatch.setattr(os, "getsid", lambda _: 999)
    monkeypatch.setattr(os, "getpgid", lambda _: 998)
    me, parent, init = tmp_path / "self", tmp_path / "999", tmp_path / "1"
    for folder in (me / "ns", parent, init):
        folder.mkdir(parents=True)
    for name, inode in (("mnt", 4026531841), ("pid", 4026531836), ("net", 4026531840), ("user", 4026531837)):
        (me / "ns" / name).symlink_to(f"{name}:[{inode}]")
    (me / "stat").write_text(STAT)
    (me / "status").write_text(STATUS)
    (me / "comm").write_bytes(b"sco\nut\n")
    (me / "cmdline").write_bytes(b"scout\0run\0")
    (me / "loginuid").write_text("4294967295")
    (me / "mountinfo").write_text("27 1 254:0 / / rw - ext4 /dev/vda rw\n")
    (me / "cwd").symlink_to("/srv")
    (me / "exe").symlink_to("/usr/bin/python3.11 (deleted)")
    (parent / "comm").write_bytes(b"sh\n")
    (parent / "status").write_text("PPid:\t1\n")
    (init / "comm").write_bytes(b"systemd\n")
    (init / "status").write_text("PPid:\t0\n")
    return tmp_path


def event(**changes):
    """What honest probes read about it."""
    read = {
        "flags": 0, "tgid": 4711, "tid": 4712, "ns_tgid": 12, "ppid": 999, "start_ns": 1_234_567_890_000, "comm": b"sco\nut", "pcomm": b"sh",
        "ancestors": ((999, b"sh"), (1, b"systemd")), "sid": 999, "pgid": 998, "tty_dev": 136 << 20 | 2, "uid": 1, "euid": 2, "gid": 5, "egid": 6,
        "cap_effective": 0, "cap_permitted": 0x1FFFEFFFFFF, "loginuid": 0xFFFFFFFF, "mnt_ns": 4026531841, "pid_ns": 4026531836,
        "net_ns": 4026531840, "user_ns": 4026531837, "cgroup_id": 77, "cgroup_path": b"/kubepods/x", "exe_path": b"/usr/bin/python3.11",
        "cwd": b"/srv", "cmdline": b"scout\0run\0",
    }  # fmt: skip
    return SimpleNamespace(**{"kind_name": "open"} | read | changes)


def truth(proc, **given):
    """The truth of the made-up /proc."""
    return own_truth(proc=proc, **{"tid": 4712, "cgroup_id": 77, "cgroup_path": b"/kubepods/x"} | given)


def test_honest_probes_are_believed(proc):
    """Every value is compared and every one agrees: a name with parentheses and newlines, a pty, a start time in ticks."""
    assert prove(event(), truth(proc)) == []
    assert set(truth(proc).values) == set(vars(event())) - {"flags", "kind_name"}


@pytest.mark.parametrize("name", sorted(set(vars(event())) - {"flags", "kind_name"}))
def test_each_wrong_value_names_the_members_that_were_read(proc, name):
    """One wrong field is one sentence, and it says where to look."""
    right = getattr(event(), name)
    wrong = {int: lambda: right + 10_000_000, bytes: lambda: b"\xff\0garbage", tuple: lambda: ((1, b"x"),)}[type(right)]()
    problems = prove(event(**{name: wrong}), truth(proc))
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")
    assert MEMBERS[name] in problems[0]


def test_a_path_that_hangs_loose_is_no_proof(proc):
    """The agent opens its file inside its own mount namespace: a walk that did not end at its root went wrong, unless the agent is in a chroot."""
    loose, honest = event(flags=int(FrameFlag.PATH_DETACHED)), truth(proc)
    assert "mnt_namespace.root" in "".join(prove(loose, honest))
    assert prove(loose, replace(honest, chrooted=True)) == []
    assert prove(event(kind_name="exec", flags=int(FrameFlag.PATH_DETACHED)), honest) == []


def test_every_compared_attribute_is_one_of_an_event():
    """A renamed field would otherwise go unproven in silence."""
    names = {item.name for spec in KINDS for item in (*HEADER, *PROCESS, *SHARED_TAILS, *spec.fields, *spec.tails)}
    assert set(MEMBERS) <= names


@pytest.mark.parametrize(
    ("name", "flag"),
    [("exe_path", FrameFlag.EXE_CUT), ("cwd", FrameFlag.CWD_CUT), ("cmdline", FrameFlag.CMDLINE_FAULTED), ("cgroup_path", FrameFlag.CGROUP_CUT)],
)
def test_what_the_frame_says_it_does_not_know_is_not_compared(proc, name, flag):
    """A long value that is cut proves nothing and refutes nothing."""
    known = replace(truth(proc), values={**truth(proc).values, name: b"/" + b"x" * 300})
    assert prove(event(**{name: b"x", "flags": int(flag)}), known) == []


@pytest.mark.parametrize(
    ("name", "flag"), [("exe_path", FrameFlag.EXE_CUT), ("cwd", FrameFlag.CWD_CUT), ("cmdline", FrameFlag.CMDLINE_CUT), ("cgroup_path", FrameFlag.CGROUP_CUT)]
)
def test_a_short_value_is_never_cut(proc, name, flag):
    """With a wrong offset of dentry.d_parent every path is "cut" after its last name: that is a difference, unless a root of our own hides how long it is."""
    (problem,) = prove(event(**{name: b"x", "flags": int(flag)}), truth(proc))
    assert problem.startswith(f"{name}: the probes read no more than")
    assert MEMBERS[name] in problem
    assert prove(event(**{name: b"x", "flags": int(flag)}), replace(truth(proc), chrooted=True)) == []


def test_what_is_known_of_the_act_is_compared_too(proc):
    """The agent opened a file whose inode it knows."""
    opened = event(inode=7, path=b"/etc/hosts")
    assert prove(opened, truth(proc), {"inode": 7, "path": b"/etc/hosts"}) == []
    assert "inode.i_ino" in prove(opened, truth(proc), {"inode": 8})[0]


def test_another_pid_namespace_leaves_the_hosts_ids_out(proc):
    """Its numbers are not the kernel's; the one in the own namespace still is compared."""
    (proc / "self/ns/pid").unlink()
    (proc / "self/ns/pid").symlink_to("pid:[4026532900]")
    known = truth(proc).values
    assert not {"tgid", "tid", "ppid", "sid", "pgid", "ancestors", "pcomm"} & set(known)
    assert known["ns_tgid"] == 12


def test_another_user_namespace_leaves_user_ids_out(proc):
    """They are mapped; capabilities are not."""
    (proc / "self/ns/user").unlink()
    (proc / "self/ns/user").symlink_to("user:[4026532900]")
    known = truth(proc).values
    assert not {"uid", "gid", "euid", "egid", "loginuid"} & set(known)
    assert "cap_permitted" in known


def test_in_a_chroot_the_kernels_paths_are_longer_at_the_front(proc):
    """The end still has to agree."""
    (proc / "self/mountinfo").write_text("30 27 0:5 / /proc rw - proc proc rw\n")
    assert prove(event(exe_path=b"/jail/usr/bin/python3.11", cwd=b"/jail/srv"), truth(proc)) == []
    assert len(prove(event(exe_path=b"/jail/usr/bin/perl", cwd=b"/jail/srv"), truth(proc))) == 1


def test_a_cgroup_namespace_shows_the_paths_end(proc):
    """What /proc calls / or /x is longer for the kernel."""
    for known in (b"/", b"/x", b"/../y", None):
        assert prove(event(), truth(proc, cgroup_path=known)) == []
    assert prove(event(), truth(proc, cgroup_path=b"/z"))


def test_the_real_proc_tells_what_the_process_knows():
    """No right is needed to read one's own truth."""
    known = own_truth().values
    assert known["cwd"] == os.fsencode(Path.cwd())
    assert known["tid"] == threading.get_native_id() if "tid" in known else True
    assert isinstance(known["start_ns"], int)


def test_an_empty_proc_proves_nothing(tmp_path):
    """What cannot be read is left out."""
    assert {"cap_effective", "tgid", "exe_path", "start_ns"}.isdisjoint(own_truth(proc=tmp_path).values)
