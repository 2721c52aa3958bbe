# SPDX-License-Identifier: Apache-2.0
"""What tests/conftest.py promises to ci/test: a group that ran nothing has failed, the tally is right, folders give markers."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.repo import tree

pytestmark = pytest.mark.slow  # each starts a pytest of its own


@pytest.fixture
def session(tmp_path):
    """Return a function that runs pytest over one test file in tests/bpf, with the real conftest and settings."""
    folder = tmp_path / "tests" / "bpf"
    folder.mkdir(parents=True)
    shutil.copy(tree.ROOT / "tests/conftest.py", tmp_path / "tests")
    shutil.copy(tree.ROOT / "pyproject.toml", tmp_path)

    def run(source, *arguments):
        (folder / "test_it.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/bpf", "--group", "bpf", "--tally", "tally", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        return done, (tmp_path / "tally").read_text() if (tmp_path / "tally").exists() else ""

    return run


def test_the_tally_has_every_outcome(session):
    """The tally's line is group, passed, failed (errors too), skipped (expected failures too)."""
    done, tally = session("import pytest\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pytest.skip('why')\ndef test_d(gone): pass\n")
    assert done.returncode == 1
    assert tally == "bpf 1 2 1\n"


def test_a_group_that_skips_itself_has_failed(session):
    """When every test was skipped, the session ends with 5, as if there were none."""
    done, tally = session("import pytest\ndef test_a(): pytest.skip('no root')\n")
    assert done.returncode == 5
    assert "group bpf: no test ran" in done.stdout
    assert tally == "bpf 0 0 1\n"


def test_a_folder_gives_its_marker(session):
    """Tests in tests/bpf are marked bpf without saying so."""
    done, tally = session("def test_a(): pass\n", "-m", "bpf")
    assert done.returncode == 0
    assert tally == "bpf 1 0 0\n"


def test_a_warning_is_an_error(session):
    """A test that warns fails; nobody reads warnings."""
    done, _ = session("import warnings\ndef test_a(): warnings.warn('old')\n")
    assert done.returncode == 1
