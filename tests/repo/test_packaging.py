# SPDX-License-Identifier: Apache-2.0
"""What is installed: the packages it needs, the files it reads."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

from tests.repo import tree


def project():
    """Return pyproject.toml's table ``project``."""
    return tomllib.loads(tree.text(Path("pyproject.toml")))["project"]


def names(requirements):
    """Return the packages' names, in lower case."""
    return {re.split(r"[\s<>=\[;~!]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


def test_the_indexes_bcc_is_not_required():
    """BCC comes from the system: the index has an unrelated package of that name."""
    extras = [line for lines in project()["optional-dependencies"].values() for line in lines]
    assert names(project()["dependencies"] + extras).isdisjoint({"bcc", "bpfcc", "python3-bpfcc"})


def test_every_requirement_has_the_version_it_was_tried_with():
    """What pyproject.toml asks for stands in ci/constraints.txt."""
    wanted = names(project()["dependencies"] + project()["optional-dependencies"]["dev"])
    pinned = names(line for line in tree.text(Path("ci/constraints.txt")).splitlines() if line and not line.startswith("#"))
    assert wanted - pinned == set()


def test_every_data_file_is_installed():
    """An installation has the probes, the rules and the offset tables, where sensor.core.paths looks."""
    listed = runpy.run_path(str(tree.ROOT / "setup.py"))["data_files"](tree.ROOT)
    installed = {Path(folder, Path(name).name).relative_to("share/scout") for folder, names_ in listed for name in names_}
    data = {path for path in tree.files() if path.parts[0] in {"bpf", "rules"} or path.parts[:2] == ("kernels", "offsets")}
    assert installed == data


def test_packages_are_typed():
    """Who imports the packages gets their types."""
    assert all((tree.ROOT / package / "py.typed").is_file() for package in ("sensor", "contract"))
