# SPDX-License-Identifier: Apache-2.0
"""The containers of the other tests here are what they are said to be, and leave nothing. Needs no sensor."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rules import containers as module
from tests.rules import mounts
from tests.rules.containers import CGROUP_PARENT, ContainerFailed, Containers


def leftovers(folder):
    """Return what a `Containers` in *folder* has left: mounts, and cgroups of its ids."""
    cgroups = [path for root in mounts.cgroup_roots() for path in (root / CGROUP_PARENT).glob("*/")]
    return mounts.mounted_below(folder), cgroups


def test_it_runs_a_command(containers):
    """Exit code and output are the command's own."""
    result = containers.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.exit_code, sorted(result.output.split())) == (7, [b"err", b"out"])
    assert len(result.container_id) == 64


def test_it_has_namespaces_of_its_own(containers):
    """Mount, PID, network, IPC and UTS namespaces are not the host's, and its first process is PID 1."""
    kinds = ("mnt", "pid", "net", "ipc", "uts")
    result = containers.run(["sh", "-c", "".join(f"readlink /proc/self/ns/{kind}; " for kind in kinds) + "echo $$"])
    *inside, pid = result.output.decode().split()
    host = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in kinds]
    assert len(inside) == len(kinds)
    assert not set(inside) & set(host)
    assert pid == "1"


def test_its_cgroup_carries_its_id(containers):
    """In every hierarchy where it has a cgroup, that is /scout-test/<id>, and at least one does."""
    result = containers.run(["cat", "/proc/self/cgroup"])
    paths = [line.split(":", 2)[2] for line in result.output.decode().splitlines()]
    own = f"/{CGROUP_PARENT}/{result.container_id}"
    assert own in paths
    memory = [line for line in result.output.decode().splitlines() if ":memory:" in line or (line.startswith("0::") and len(paths) == 1)]
    assert all(line.endswith(own) for line in memory)


def test_it_may_have_a_terminal(containers):
    """With a terminal, the process sits at one; without, it does not."""
    assert containers.run(["tty"], terminal=True).output.strip().startswith(b"/dev/pts/")
    assert containers.run(["tty"]).output.strip() == b"not a tty"


def test_its_root_is_its_own(containers):
    """What one container writes, the next does not find; the host's files are out of reach."""
    containers.run(["sh", "-c", "echo changed > /etc/hostname; echo x > /tmp/x"])
    result = containers.run(["sh", "-c", "cat /etc/hostname; ls /tmp"])
    assert result.output == b"scout-test\n"
    assert containers.run(["ls", str(Path(__file__).parent)]).exit_code != 0


def test_files_can_be_put_in(containers):
    """A test's files are there, at any depth."""
    assert containers.run(["cat", "/a/b/c"], files={"/a/b/c": b"hello"}).output == b"hello"


def test_a_token_is_mounted_as_the_kubelet_does(containers):
    """The service account's token is reached through /var/run and two links, as in a pod."""
    assert containers.run(["cat", "/var/run/secrets/kubernetes.io/serviceaccount/token"]).output == b"not-a-token\n"


def test_its_network_is_loopback_only(containers):
    """The network namespace has loopback, up, and nothing else."""
    result = containers.run(["ip", "-o", "link"])
    assert [line.split(b":")[1].strip() for line in result.output.splitlines()] == [b"lo"]
    assert b"LOOPBACK,UP" in result.output


def test_its_cgroups_can_be_its_own_to_divide(containers):
    """With own_cgroups a process moves into a nested cgroup, whose path goes on below the container's."""
    result = containers.run(["sh", "-c", NEST + "cat /proc/self/cgroup"], own_cgroups=True)
    assert result.exit_code == 0, result.output
    assert b"/nested" in result.output


NEST = "d=/sys/fs/cgroup; [ ! -d $d/memory ] || d=$d/memory; mkdir $d/nested && echo $$ > $d/nested/cgroup.procs && "


def test_many_at_once(containers):
    """Containers started from several threads do not get in each other's way."""
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: containers.run(["echo", str(number)]), range(8)))
    assert [result.output for result in results] == [f"{number}\n".encode() for number in range(8)]
    assert len({result.container_id for result in results}) == 8


def test_nothing_is_left(tmp_path):
    """After a run the container's mounts and cgroups are gone, after close the tmpfs too."""
    made = Containers(tmp_path)
    before = leftovers(tmp_path)[1]
    assert made.run(["true"]).exit_code == 0
    assert leftovers(tmp_path) == ([made.folder], before)
    made.close()
    assert leftovers(tmp_path) == ([], before)
    assert list(tmp_path.iterdir()) == []


def test_a_container_that_does_not_end_is_ended(tmp_path, monkeypatch):
    """One that outlives the deadline is an error that says so, and it is removed with its processes, with a terminal and without."""
    monkeypatch.setattr(module, "RUN_S", 0.7)
    monkeypatch.setenv("SCOUT_SLOW", os.environ.get("SCOUT_SLOW") or "1")
    made = Containers(tmp_path)
    before = leftovers(tmp_path)[1]
    for terminal in (False, True):
        with pytest.raises(ContainerFailed, match="did not end"):
            made.run(["sleep", "1000"], terminal=terminal)
    assert leftovers(tmp_path)[1] == before
    made.close()
    assert leftovers(tmp_path)[0] == []


def test_what_runc_refuses_is_said(containers):
    """A command that does not exist is runc's error, in its words."""
    with pytest.raises(ContainerFailed, match="no-such-program"):
        containers.run(["/no-such-program"])
