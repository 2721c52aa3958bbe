# SPDX-License-Identifier: Apache-2.0
"""The commands of the repository: few, documented, the same for people and CI."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from kernels.run.commands import PACKAGE_OF_TOOL
from sensor.core import errors
from tests.repo import tree

SCRIPTS = [path for path in tree.files() if path.parts[0] in {"ci", ".ci"} and not path.suffix and path.name != ".gitkeep"]


def targets():
    """Return the Makefile's targets."""
    return re.findall(r"^([a-z]+):", tree.text(Path("Makefile")), re.MULTILINE)


def test_ci_runs_what_people_run():
    """.ci/run is one line that calls the README's command."""
    lines = tree.text(Path(".ci/run")).splitlines()
    assert len(lines) == 1
    assert "make test" in lines[0]
    assert "make test" in tree.text(Path("README.md"))


def test_targets_are_documented():
    """Every target has its line in `make help` and its place in the README."""
    makefile, readme = tree.text(Path("Makefile")), tree.text(Path("README.md"))
    assert [name for name in targets() if not re.search(rf"^{name}:.* ## \S", makefile, re.MULTILINE)] == []
    assert [name for name in targets() if name != "help" and f"make {name}" not in readme] == []
    assert set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) == set(targets())


def test_exit_codes_are_documented():
    """The README's table has every exit code that the errors have."""
    codes = {error.exit_code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.ScoutError)}
    assert [code for code in sorted(codes) if f"| {code} |" not in tree.text(Path("README.md"))] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_scripts_can_be_called(script):
    """A script can be executed and starts with the shell or Python it needs."""
    first = tree.text(script).splitlines()[0]
    assert os.access(tree.ROOT / script, os.X_OK)
    assert script == Path(".ci/run") or first in {"#!/usr/bin/env bash", "#!/usr/bin/python3"}


def test_shell_scripts_stop_at_the_first_error():
    """Each shell script takes its settings from ci/lib.sh, which stops at a failed command, an unset name and a broken pipe."""
    assert "set -euo pipefail" in tree.text(Path("ci/lib.sh"))
    shell = [path for path in SCRIPTS if path.parts[0] == "ci" and "bash" in tree.text(path).splitlines()[0]]
    assert [str(path) for path in shell if '. "$(dirname "$0")/lib.sh"' not in tree.text(path).splitlines()] == []


def test_an_unknown_group_is_refused():
    """A misspelt group is an error with the names there are, before anything is installed or run."""
    done = subprocess.run([tree.ROOT / "ci/test", "unti"], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert 'unknown group "unti"; one of: lint unit' in done.stderr


def test_help_lists_every_target():
    """`make` alone says what there is."""
    done = subprocess.run(["make", "--no-print-directory"], cwd=tree.ROOT, capture_output=True, text=True, check=True, timeout=20)
    assert re.findall(r"^  make ([a-z]+)", done.stdout, re.MULTILINE) == targets()


def test_setup_installs_what_the_guests_need():
    """Every Debian package that the guest tooling names is installed by `ci/setup test`, or is in every Debian."""
    script = re.sub(r"#.*", "", tree.text(Path("ci/setup")))
    listed = set(re.findall(r"[a-z][a-z0-9.+-]+", " ".join(re.findall(r"packages\+?=\((.*?)\)", script, re.DOTALL))))
    essential = {"apt", "coreutils", "dpkg", "tar", "util-linux", "gzip"}
    assert set(PACKAGE_OF_TOOL.values()) - essential - listed == set()
