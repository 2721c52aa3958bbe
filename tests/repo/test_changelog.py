# SPDX-License-Identifier: Apache-2.0
"""The changelog's fragments, and the script that joins them."""

from __future__ import annotations

import runpy

import pytest

from tests.repo import tree

SCRIPT = runpy.run_path(str(tree.ROOT / "ci/changelog.py"))
main, problems_of, fragments = SCRIPT["main"], SCRIPT["problems_of"], SCRIPT["fragments"]


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "ci/changelog.d").mkdir(parents=True)
    (tmp_path / "ci/changelog.d/README.md").write_text("how\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n<!-- releases -->\n\n## 0.1.0 (2026-01-01)\n\nFirst.\n")
    return tmp_path


def fragment(root, name, text):
    path = root / "ci/changelog.d" / name
    path.write_text(text)
    return path


def test_fragments_are_well_formed():
    """Every fragment has a good name and starts with a sentence."""
    assert [problem for path in fragments(tree.ROOT) for problem in problems_of(path)] == []


def test_a_release_takes_the_fragments(repository):
    """A release is a section on top, by kind, and the fragments are gone."""
    fragment(repository, "ring.fixed.md", "Events no longer vanish.\nThe ring was read twice.\n")
    fragment(repository, "doctor.added.md", "`scout doctor` says what is missing.\n")
    assert main(["release", "0.2.0", "2026-02-01"], repository) == 0
    assert (repository / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n<!-- releases -->\n\n## 0.2.0 (2026-02-01)\n\n"
        "### Added\n\n* `scout doctor` says what is missing.\n\n"
        "### Fixed\n\n* Events no longer vanish.\n  The ring was read twice.\n\n"
        "## 0.1.0 (2026-01-01)\n\nFirst.\n"
    )
    assert [path.name for path in (repository / "ci/changelog.d").iterdir()] == ["README.md"]


def test_show_changes_nothing(repository, capsys):
    """`show` prints the section and leaves the files alone."""
    path = fragment(repository, "a.security.md", "A hole is closed.\n")
    assert main(["show"], repository) == 0
    assert capsys.readouterr().out == "### Security\n\n* A hole is closed.\n"
    assert path.exists()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("Ring.fixed.md", "Fine.\n", "the name is"),
        ("ring.broken.md", "Fine.\n", "the name is"),
        ("ring.fixed.md", "", "the news in one sentence"),
        ("ring.fixed.md", "No stop\n", "full stop"),
        ("ring.fixed.md", "Fine.\n# Heading\n", "ring.fixed.md:2: no heading"),
        ("ring.fixed.md", "x" * 160 + ".\n", "ring.fixed.md:1: longer"),
    ],
)
def test_a_bad_fragment_is_named(repository, capsys, name, text, problem):
    """A fragment that is wrong fails the check with its name and reason, and a release does not happen."""
    fragment(repository, name, text)
    assert main(["check"], repository) == 3
    assert problem in capsys.readouterr().err
    assert main(["release", "0.2.0", "2026-02-01"], repository) == 3
    assert "0.2.0" not in (repository / "CHANGELOG.md").read_text()


def test_a_wrong_command_line_is_refused(repository):
    """Unknown words, a version that is none and a missing date are usage errors."""
    assert [main(arguments, repository) for arguments in ([], ["publish"], ["release", "two", "2026-02-01"], ["release", "1.0.0"])] == [2, 2, 2, 2]
