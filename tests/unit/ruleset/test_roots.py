# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

from sensor.ruleset.roots import host_closures


def test_links_are_followed(tmp_path):
    """To where they lead, in folders and at the end; what is no link gives nothing."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    closures = host_closures()
    here = os.fsencode(os.path.realpath(tmp_path))
    assert closures(here + b"/link/file") == (here + b"/real/file",)
    assert closures(here + b"/real/file") == ()
    assert closures(here + b"/link/none") == (here + b"/real/none",)


def test_circles_and_nonsense_are_survived(tmp_path):
    """A link to itself, a NUL, a very long name."""
    (tmp_path / "loop").symlink_to("loop")
    closures = host_closures()
    assert closures(os.fsencode(tmp_path / "loop")) == ()
    assert closures(b"/a\0b") == ()
    assert closures(b"/" + b"x" * 10_000) == ()


def test_the_number_is_bounded(tmp_path):
    """Beyond the limit names stay as written."""
    (tmp_path / "link").symlink_to("real")
    path = os.fsencode(os.path.realpath(tmp_path)) + b"/link"
    assert host_closures(limit=0)(path) == ()
