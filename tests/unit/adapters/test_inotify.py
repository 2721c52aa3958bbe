# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import select

import pytest

from sensor.adapters.inotify import Watch


@pytest.fixture
def watching():
    """Make watches; they are closed at the end."""
    made = []

    def watch(*paths):
        made.append(Watch(paths))
        return made[-1]

    yield watch
    for one in made:
        one.close()


def is_readable(watch):
    """Whether the loop would be woken."""
    return bool(select.select([watch.fd], [], [], 0)[0])


def test_a_quiet_folder_says_nothing(watching, tmp_path):
    """Without a change the descriptor is not readable and there is no news."""
    watch = watching(tmp_path)
    assert not is_readable(watch)
    assert not watch.drain()


def test_a_written_file_wakes_and_is_told_once(watching, tmp_path):
    """A change makes the descriptor readable until it is drained."""
    (tmp_path / "a.yaml").write_text("1")
    watch = watching(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("2")
    assert is_readable(watch)
    assert watch.drain()
    assert not is_readable(watch)
    assert not watch.drain()


def test_a_file_replaced_by_renaming_is_news(watching, tmp_path):
    """Editors write another file and rename it; a watch on the file itself would miss that."""
    rules = tmp_path / "a.yaml"
    rules.write_text("1")
    watch = watching(rules)
    (tmp_path / "new").write_text("2")
    assert not watch.drain()
    (tmp_path / "new").rename(rules)
    assert watch.drain()


def test_what_else_happens_in_a_files_folder_is_no_news(watching, tmp_path):
    """Rules in a busy folder (/tmp) are not loaded again for every file that comes and goes there."""
    watch = watching(tmp_path / "a.yaml")
    (tmp_path / "other").write_text("x")
    (tmp_path / "other").unlink()
    assert is_readable(watch)
    assert not watch.drain()
    (tmp_path / "a.yaml").write_text("it did not exist before")
    assert watch.drain()


def test_a_file_and_its_folder_are_watched_as_the_folder(watching, tmp_path):
    """Given both, every name in the folder is news, whatever their order."""
    for paths in ((tmp_path, tmp_path / "a.yaml"), (tmp_path / "a.yaml", tmp_path)):
        watch = watching(*paths)
        (tmp_path / "other.yaml").write_text("x")
        assert watch.drain()


def test_a_file_in_a_subfolder_is_news(watching, tmp_path):
    """Everything below a folder is watched."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    watch = watching(tmp_path)
    (inner / "rule.yaml").write_text("x")
    assert watch.drain()


def test_a_new_subfolder_is_watched_after_renew(watching, tmp_path):
    """Making a folder is news; what is written into it later is, once the watch was renewed."""
    watch = watching(tmp_path)
    (tmp_path / "new").mkdir()
    assert watch.drain()
    watch.renew([tmp_path])
    (tmp_path / "new" / "rule.yaml").write_text("x")
    assert watch.drain()


def test_the_kubelets_way_of_changing_a_mounted_file_is_news(watching, tmp_path):
    """A ConfigMap's files are links through ``..data``, which is replaced by renaming; the named file itself is never touched."""
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "rules.yaml").write_text(str(number))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    watch = watching(tmp_path / "rules.yaml")
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert watch.drain()


def test_the_place_where_a_link_leads_is_watched(watching, tmp_path):
    """A rule file that is a link changes where the file is."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.yaml").write_text("1")
    (tmp_path / "here.yaml").symlink_to("there/real.yaml")
    watch = watching(tmp_path / "here.yaml")
    (tmp_path / "there" / "real.yaml").write_text("2")
    assert watch.drain()


def test_a_watched_folder_that_goes_is_news(watching, tmp_path):
    """Its end is told once, and does not raise later."""
    folder = tmp_path / "rules"
    folder.mkdir()
    watch = watching(folder)
    folder.rmdir()
    assert watch.drain()
    assert not watch.drain()


def test_a_folder_that_is_not_there_is_left_out(watching, tmp_path):
    """What cannot be watched is no error: SIGHUP still works."""
    watch = watching(tmp_path / "none" / "a.yaml")
    assert not watch.drain()


def test_a_flood_of_changes_is_read_to_its_end(watching, tmp_path):
    """More events than fit the buffer are taken in one call."""
    watch = watching(tmp_path)
    for number in range(3000):
        os.close(os.open(tmp_path / f"{'x' * 100}{number}", os.O_CREAT | os.O_WRONLY))
    assert watch.drain()
    assert not is_readable(watch)
