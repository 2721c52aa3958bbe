# SPDX-License-Identifier: Apache-2.0
"""What the acts say of themselves, seen without a kernel side."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from sensor.probes import canary_acts


def test_a_file_is_opened_as_told(tmp_path):
    """Path, flags, mode and what fdinfo shows of the descriptor, and whatever the kernel let the thread change."""
    path = tmp_path / "file"
    path.touch()
    facts = canary_acts.open_file(path)
    assert (facts["path"], facts["asked"], facts["dirfd"]) == (os.fsencode(path), os.fsencode(path), -100)
    assert (facts["open_flags"], facts["open_mode"]) == (canary_acts.OPEN_FLAGS | os.O_CLOEXEC, 0o604)
    assert facts["file_flags"] & (os.O_APPEND | os.O_NONBLOCK | os.O_CREAT | os.O_CLOEXEC) == os.O_APPEND | os.O_NONBLOCK
    assert facts.get("inode", path.stat().st_ino) == path.stat().st_ino


def test_this_thread_keeps_what_it_is(tmp_path):
    """The ids and capabilities of the calling thread, and of the process, are the same afterwards."""

    def own():
        status = dict(line.split(":\t", 1) for line in Path("/proc/thread-self/status").read_text().splitlines() if ":\t" in line)
        return os.getresuid(), os.getresgid(), status["CapEff"], status["CapPrm"]

    (tmp_path / "file").touch()
    before = own()
    canary_acts.open_file(tmp_path / "file")
    assert own() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take any ids")
def test_no_two_ids_are_the_same(tmp_path):
    """Real ids are nobody's, and effective capabilities are fewer than the permitted ones."""
    (tmp_path / "file").touch()
    facts = canary_acts.open_file(tmp_path / "file")
    if "uid" not in facts:
        pytest.skip("this root has no CAP_SETUID, or another user namespace")
    assert len({facts["uid"], facts["gid"], 0}) == 3
    assert facts["cap_effective"] != facts["cap_permitted"]


def test_a_failure_is_the_callers(tmp_path):
    """What goes wrong in the thread is raised where the act was asked for."""
    with pytest.raises(FileNotFoundError):
        canary_acts.open_file(tmp_path / "no" / "file")


def test_a_datagram_socket_tells_both_ends():
    """A connected one has an own address; TCP to a closed port does not keep one."""
    facts = canary_acts.connect("127.0.0.1", 9, datagram=True)
    assert (facts["daddr"], facts["dport"], facts["family"], facts["protocol"]) == (bytes(10) + b"\xff\xff\x7f\0\0\1", 9, socket.AF_INET, socket.IPPROTO_UDP)
    assert facts["saddr"] == facts["daddr"]
    assert "protocol" not in canary_acts.connect("127.0.0.1", 9, datagram=False)


def test_a_program_runs_on_a_terminal_of_its_own(tmp_path):
    """It leads a session and has the terminal; the facts say so, and nobody is left behind."""
    link, said = tmp_path / "a-name-of-more-than-15", tmp_path / "said"
    link.symlink_to(sys.executable)
    code = f"import os; from pathlib import Path; Path({str(said)!r}).write_text(f'{{os.getpid()}} {{os.getsid(0)}} {{os.fstat(0).st_rdev}}')"
    facts = canary_acts.execute(link, [link.name, "-S", "-E", "-c", code])
    pid, sid, device = map(int, said.read_text().split())
    assert pid == sid
    assert facts["comm"] == b"a-name-of-more-"
    assert facts["asked"] == os.fsencode(link)
    assert facts["exe_path"] == os.fsencode(os.path.realpath(sys.executable))
    assert facts.get("sid", pid) == facts.get("pgid", pid) == pid
    assert facts["tty_dev"] == os.major(device) << 20 | os.minor(device)


def test_without_terminals_it_runs_all_the_same(tmp_path, monkeypatch):
    """A container without /dev/ptmx proves less, and starts."""

    def none():
        raise OSError

    monkeypatch.setattr(os, "openpty", none)
    link = tmp_path / "link"
    link.symlink_to("/bin/true")
    assert "tty_dev" not in canary_acts.execute(link, ["link"])
