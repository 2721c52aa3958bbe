# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.adapters.bccpackage import find_bcc


def package(folder, text, version=""):
    """A package named bcc in *folder*."""
    (folder / "bcc").mkdir(parents=True)
    (folder / "bcc/__init__.py").write_text(text)
    if version:
        (folder / "bcc/version.py").write_text(f"__version__ = '{version}'\n")
    return [str(folder)]


def test_the_real_one_defines_bpf(tmp_path):
    """Its version and the shared library's name are told."""
    (tmp_path / "lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "lib/x86_64-linux-gnu/libbcc.so.0.26.0").touch()
    (tmp_path / "lib/x86_64-linux-gnu/libbcc.so.0").symlink_to("libbcc.so.0.26.0")
    found = find_bcc(package(tmp_path, "class BPF(object):\n    pass\n", "0.26.0"), [str(tmp_path / "lib")])
    assert (found.is_real, found.version, found.library) == (True, "0.26.0", "libbcc.so.0.26.0")
    assert found.folder == tmp_path / "bcc"


def test_another_package_of_the_name_is_seen_through_without_running_it(tmp_path):
    """The impostor's code is never run."""
    found = find_bcc(package(tmp_path, "raise SystemExit('run!')\n"), [])
    assert not found.is_real
    assert found.folder == tmp_path / "bcc"


def test_no_package_is_no_folder(tmp_path):
    """Neither found nor guessed."""
    found = find_bcc([str(tmp_path)], [str(tmp_path)])
    assert found.folder is None
    assert found.library == ""
