# SPDX-License-Identifier: Apache-2.0
"""The stored unit: what is kept, what is refused."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.adapters.wire import pack
from sensor.probes import image
from sensor.probes.image import Image, MapShape

KEY = "a" * 32


def sample() -> Image:
    """Return an image of one map and one program that loads it."""
    kept = Image(maps={"live": MapShape(2, 4, 4, 1, 0)})
    load = struct.pack("<BBhi", 0x18, 0x11, 0, 77) + struct.pack("<BBhi", 0, 0, 0, 0)
    image.add_program(kept, "on_open", load + struct.pack("<BBhi", 0x95, 0, 0, 0), {77: "live"}, raw=False)
    return kept


@pytest.fixture
def folder(tmp_path):
    """Return a folder that an image may lie in."""
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def test_what_was_written_is_read(folder):
    """An image comes back as it was."""
    image.write(folder, KEY, sample())
    assert image.read(folder, KEY) == sample()


def test_descriptors_are_left_out(folder):
    """The places of maps are kept by name: another process has other descriptors."""
    assert sample().programs["on_open"][2] == [(0, "live")]


def test_another_key_is_another_image(folder):
    """Nothing is read under a key it was not written for, whatever the file is called."""
    image.write(folder, KEY, sample())
    (folder / f"{KEY}.image").rename(folder / f"{'b' * 32}.image")
    assert image.read(folder, "b" * 32) is None


def test_the_digest_tells_everything_apart():
    """Parts do not run into each other."""
    assert len({image.digest(parts) for parts in (["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""])}) == 4


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(folder, mode):
    """Whoever can write the image can choose what the kernel runs."""
    image.write(folder, KEY, sample())
    (folder / f"{KEY}.image").chmod(mode)
    assert image.read(folder, KEY) is None


def test_a_folder_that_others_can_write_is_refused(folder):
    """So can whoever can replace it."""
    image.write(folder, KEY, sample())
    folder.chmod(0o777)
    assert image.read(folder, KEY) is None


def test_a_link_is_not_followed(folder, tmp_path):
    """Neither to the image nor to its folder."""
    image.write(folder, KEY, sample())
    (folder / f"{KEY}.image").rename(tmp_path / "elsewhere")
    (folder / f"{KEY}.image").symlink_to(tmp_path / "elsewhere")
    assert image.read(folder, KEY) is None
    (tmp_path / "link").symlink_to(folder)
    assert image.read(tmp_path / "link", KEY) is None


def test_nothing_is_written_where_others_could(folder):
    """A folder that is not ours alone is left alone."""
    folder.chmod(0o777)
    image.write(folder, KEY, sample())
    assert list(folder.iterdir()) == []


def test_old_images_go(folder):
    """A few are kept, for rollbacks."""
    for number in range(image.KEPT + 3):
        image.write(folder, f"{number:032}", sample())
        os.utime(folder / f"{number:032}.image", ns=(number, number))
    assert len(list(folder.iterdir())) == image.KEPT


def test_an_unwritable_place_is_no_error(tmp_path):
    """A read-only root costs the next start its second, nothing more."""
    (tmp_path / "file").touch()
    image.write(tmp_path / "file" / "cache", KEY, sample())
    assert image.read(tmp_path / "file" / "cache", KEY) is None


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.builds(
            pack,
            st.recursive(
                st.none() | st.integers(0, 9) | st.text(max_size=5),
                lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["format", "key", "maps", "programs"]), inner),
                max_leaves=8,
            ),
        ),
    )
)
def test_garbage_is_as_if_it_were_not_there(tmp_path_factory, content):
    """Whatever lies in the file, reading gives an image or None."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    (folder / f"{KEY}.image").write_bytes(content)
    (folder / f"{KEY}.image").chmod(0o600)
    assert image.read(folder, KEY) is None
