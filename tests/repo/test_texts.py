# SPDX-License-Identifier: Apache-2.0
"""What stands in the files: licence lines, no machine's paths, no registries, nothing left unfinished."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repo import tree

GPL = re.compile(r"SPDX-License-Identifier: GPL-2\.0-only\b")
APACHE = re.compile(r"SPDX-License-Identifier: Apache-2\.0\b")
ONE_LINERS = {Path(".ci/run")}  # one line, which is its content

SOURCE_SUFFIXES = (".py", ".c", ".h", ".sh", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".tsv", "")

# The words are put together here, so that this file does not hold them.
HOME = re.compile(r"(?<![\w.~-])/" + r"work/")
USER_HOME = re.compile(r"(?<![\w.~-])/(home/\w+|root)/")
REGISTRIES = re.compile(
    r"\b(" + "|".join(re.escape(name + end) for name, end in (
        ("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("npmjs", ".com"), ("crates", ".io"), ("proxy.golang", ".org"),
        ("deb.debian", ".org"), ("repo.maven.apache", ".org"), ("rubygems", ".org"),
    )) + r")\b"
)  # fmt: skip
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def is_script(path: Path) -> bool:
    """Return whether a file starts with ``#!``."""
    return (tree.ROOT / path).read_bytes()[:2] == b"#!"


def sources() -> list[Path]:
    """Return the files people write, by their suffix."""
    return [path for path in tree.files() if path.suffix in SOURCE_SUFFIXES and "LICENSE" not in path.name]


def matches(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """Return place and text of each match."""
    return [f"{path}:{number}: {found[0]}" for path in paths for number, line in enumerate(tree.text(path).splitlines(), 1) if (found := pattern.search(line))]


def licence_problem(path: Path, source: str) -> str:
    """Return what is wrong with a source's licence line, or nothing: GPL-2.0-only in bpf/, Apache-2.0 elsewhere."""
    first_lines = "\n".join(source.splitlines()[:2])  # the second, behind #!
    wanted = GPL if path.parts[0] == "bpf" else APACHE
    return "" if wanted.search(first_lines) else f"{path}: does not open with {wanted.pattern}"


def test_sources_open_with_their_licence():
    """Every Python, C and shell source has its SPDX line, GPL-2.0-only below bpf/ and Apache-2.0 elsewhere."""
    paths = [path for path in tree.files() if path.suffix in {".py", ".c", ".h", ".sh"} or is_script(path) or path.name == "Makefile"]
    assert [problem for path in paths if path not in ONE_LINERS and (problem := licence_problem(path, tree.text(path)))] == []


def test_licences_are_whole():
    """Both licence texts are there, the project's own with its holder."""
    assert "Copyright The Scout authors" in tree.text(Path("LICENSE"))
    assert "Apache License" in tree.text(Path("LICENSE"))
    assert "GNU GENERAL PUBLIC LICENSE" in tree.text(Path("bpf/LICENSE"))
    assert "Version 2, June 1991" in tree.text(Path("bpf/LICENSE"))


def test_no_path_of_a_developers_machine():
    """Nothing names the folder it was written in; scripts and manuals name no home either."""
    assert matches(HOME, sources()) == []
    by_hand = [path for path in sources() if path.parts[0] in {"ci", ".ci", "docs"} or len(path.parts) == 1]
    assert matches(USER_HOME, by_hand) == []


def test_no_registry_is_named():
    """Where packages come from is the business of the machine's pip and apt."""
    assert matches(REGISTRIES, sources()) == []


def test_nothing_is_left_unfinished():
    """No marker of unfinished work in a source; what is missing is an issue."""
    assert matches(UNFINISHED, [path for path in sources() if path.suffix not in {".txt", ".tsv", ".json"}]) == []


def test_sources_are_text():
    """Every source is UTF-8, ends with one newline and has no blank at a line's end or carriage return."""
    problems = []
    for path in sources():
        data = (tree.ROOT / path).read_bytes()
        if data and (b"\r" in data or not data.endswith(b"\n") or data.endswith(b"\n\n")):
            problems.append(f"{path}: line ends")
        if re.search(rb"[ \t]\n", data) and path.suffix in {".py", ".c", ".h", ".sh", ".toml", ".yaml", ""}:
            problems.append(f"{path}: blank at a line's end")
        try:
            data.decode()
        except UnicodeDecodeError:
            problems.append(f"{path}: not UTF-8")
    assert problems == []


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (HOME, "see /" + "work/main", "network/work/x framework/"),
        (USER_HOME, "in /" + "home/ann/scout", "~/home"),
        (REGISTRIES, "https://pypi" + ".org/simple", "pypi is a name"),
        (UNFINISHED, "# TO" + "DO: later", "mktemp /tmp/x.XXXXXX"),
    ],
)
def test_the_text_checks_see(pattern, bad, good):
    """The checks themselves: each pattern finds what it is for and leaves its neighbour alone."""
    assert pattern.search(bad)
    assert not pattern.search(good)


def test_the_licence_check_sees():
    """The check itself: the other licence, and none."""
    assert licence_problem(Path("bpf/x.c"), "// SPDX-License-Identifier: Apache-2.0")
    assert licence_problem(Path("sensor/x.py"), '"""Doc."""')
    assert licence_problem(Path("ci/x"), "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0") == ""


def broken_links(path: Path, source: str) -> list[str]:
    """Return the relative links of a manual that lead nowhere."""
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", source)
    return [f"{path}: {link}" for link in links if not (tree.ROOT / path.parent / link).exists()]


def missing_places(path: Path, source: str) -> list[str]:
    """Return the paths of this repository that a manual names and that are not there; X, <…> and * stand for something."""
    named = re.findall(r"`((?:sensor|contract|bpf|rules|kernels|tests|ci|docs)/[\w./-]*)`", source)
    return [f"{path}: {name}" for name in named if not re.search(r"\bX\b|_X\b", name) and not (tree.ROOT / name).exists()]


def test_manuals_lead_somewhere():
    """Every relative link in a manual, and every path that README and CONTRIBUTING name, exists."""
    manuals = [path for path in tree.files() if path.suffix == ".md"]
    assert [problem for path in manuals for problem in broken_links(path, tree.text(path))] == []
    assert [problem for path in manuals if len(path.parts) == 1 for problem in missing_places(path, tree.text(path))] == []


def test_the_manual_checks_see():
    """The checks themselves: a link and a path to nowhere, beside good ones."""
    path = Path("README.md")
    assert broken_links(path, "[a](LICENSE) [b](nowhere.md#x) [c](https://example.org)") == ["README.md: nowhere.md"]
    assert missing_places(path, "`ci/test` `sensor/nowhere.py` `bpf/probes/X.c`") == ["README.md: sensor/nowhere.py"]
