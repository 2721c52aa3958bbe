# SPDX-License-Identifier: Apache-2.0
"""The status socket's place: only our own, taken once, left as it was found."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys

import pytest

from sensor.core.errors import UsageError
from sensor.health.localsocket import LocalSocket


@pytest.fixture
def path(tmp_path):
    """A place in a folder that is not there yet."""
    return tmp_path / "scout" / "scout.sock"


def test_it_listens_for_its_user_alone(path):
    """Folder and socket are closed to others, and gone afterwards."""
    local = LocalSocket(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    local.close()
    assert not path.parent.exists()
    local.close()


def test_a_living_sensors_place_is_taken(path):
    """The second is told so; the first goes on."""
    first = LocalSocket(path)
    with pytest.raises(UsageError, match="another sensor, or something else, listens"):
        LocalSocket(path)
    assert stat.S_ISSOCK(path.stat().st_mode)
    first.close()
    LocalSocket(path).close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
@pytest.mark.parametrize("room", [0, 5])
def test_a_living_socket_of_another_program_stays(tmp_path, kind, room):
    """Of any type, and also when its queue is full: somebody may have named the container runtime's."""
    path = tmp_path / "runtime.sock"
    with socket.socket(socket.AF_UNIX, kind) as runtime, socket.socket(socket.AF_UNIX, kind) as client:
        runtime.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            runtime.listen(room)
            client.connect(str(path))
        before = path.stat()
        with pytest.raises(UsageError, match="something else, listens"):
            LocalSocket(path)
        assert os.path.samestat(path.stat(), before)


def test_two_sensors_can_share_a_folder(path):
    """Each has a name of its own; the folder goes with the last only if that one made it."""
    first, second = LocalSocket(path), LocalSocket(path.with_name("second.sock"))
    first.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["second.sock"]
    second.close()
    assert list(path.parent.iterdir()) == []


def test_what_is_there_by_now_is_not_removed(path):
    """Somebody removed the socket by hand and started another sensor: its socket and its folder are its own."""
    first = LocalSocket(path)
    path.rename(path.with_name("aside"))
    second = LocalSocket(path)
    first.close()
    assert stat.S_ISSOCK(path.stat().st_mode)
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.mkdir(mode=0o700)
    second.close()
    assert path.parent.is_dir()


def test_sensors_that_start_at_once_decide_one_after_the_other(path):
    """Otherwise both would find a dead one's socket, and the second would remove what the first has just made."""
    path.parent.mkdir(mode=0o700)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="starts or ends in"):
        LocalSocket(path)
    os.close(folder)
    LocalSocket(path).close()


@pytest.mark.parametrize(("times", "outcome"), [(1, "listens"), (3, "refused")])
def test_a_folder_that_is_removed_while_it_is_opened_is_made_anew(path, monkeypatch, times, outcome):
    """A sensor that ends takes its folder along."""
    flock, left = fcntl.flock, [times]

    def late(fd, operation):
        if operation & fcntl.LOCK_EX and left[0]:
            left[0] -= 1
            path.parent.rmdir()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    if outcome == "listens":
        LocalSocket(path).close()
    else:
        with pytest.raises(UsageError, match="does not stay"):
            LocalSocket(path)
    assert not path.parent.exists()


def test_it_goes_when_the_process_ends_wherever_it_is(path):
    """Asked to end between the start and the loop, the agent raises SystemExit, and nobody closes anything."""
    code = f"from pathlib import Path; from sensor.health.localsocket import LocalSocket; LocalSocket(Path({str(path)!r})); raise SystemExit(7)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
    assert not path.parent.exists()


def test_as_long_as_it_has_its_name_it_lives(path):
    """`remove` comes first, so that no other sensor finds a name that nobody answers to; who is connected is served on."""
    local = LocalSocket(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        local.remove()
        assert not path.parent.exists()
        accepted, _ = local.socket.accept()
        accepted.close()
    local.close()


def test_a_dead_sensors_socket_is_replaced(path):
    """What SIGKILL left behind."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    LocalSocket(path).close()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_socket_stays(path, tmp_path, kind):
    """Nothing of anybody's is removed, and no link is followed."""
    path.parent.mkdir(mode=0o700)
    other = tmp_path / "other"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(other))
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(other)
    with pytest.raises(UsageError, match="is no socket"):
        LocalSocket(path)
    assert path.is_symlink() or path.read_text() == "mine"
    assert stat.S_ISSOCK(other.stat().st_mode)


def test_a_folder_that_others_may_write_is_refused(path):
    """Whoever can write it could put a socket of their own there."""
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(UsageError, match="others may write it"):
        LocalSocket(path)
    assert list(path.parent.iterdir()) == []


def test_a_link_to_a_folder_is_refused(path, tmp_path):
    """The folder itself, not where somebody leads."""
    (tmp_path / "real").mkdir(mode=0o700)
    path.parent.symlink_to(tmp_path / "real")
    with pytest.raises(UsageError, match="cannot listen"):
        LocalSocket(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
def test_another_users_dead_socket_stays(path):
    """It is not ours."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    os.chown(path, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to another user"):
        LocalSocket(path)
    assert path.stat().st_uid == 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(path):
    """Also from root, who could use it."""
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to another user"):
        LocalSocket(path)


@pytest.mark.parametrize("bad", ["no/such/folder/s", "n" * 200])
def test_an_unfit_place_is_one_message(tmp_path, bad):
    """With what to do, and nothing left behind."""
    with pytest.raises(UsageError, match="cannot listen") as caught:
        LocalSocket(tmp_path / "scout" / bad)
    assert "--status-socket" in caught.value.hint
