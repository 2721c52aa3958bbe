# SPDX-License-Identifier: Apache-2.0
"""The status socket's place: only our own, taken once, left as it was found."""

from __future__ import annotations

import os
import socket
import stat

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
    with pytest.raises(UsageError, match="another sensor listens"):
        LocalSocket(path)
    assert stat.S_ISSOCK(path.stat().st_mode)
    first.close()
    LocalSocket(path).close()


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
