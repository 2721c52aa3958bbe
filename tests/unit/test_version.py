# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.paths import DataRoot
from sensor.version import commit_of, own_version, rules_hash

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(root, **files):
    """Files below *root*, ``/`` in a name as ``__``."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"DOTgit__HEAD": COMMIT + "\n"},
        {"DOTgit__HEAD": "ref: refs/heads/main\n", "DOTgit__refs__heads__main": COMMIT + "\n"},
        {"DOTgit__HEAD": "ref: refs/heads/main\n", "DOTgit__packed-refs": f"# pack-refs\n{COMMIT} refs/heads/main\n"},
        {"DOTgit": "gitdir: there\n", "there__HEAD": "ref: refs/heads/x", "there__commondir": "../common", "common__refs__heads__x": COMMIT},
    ],
)
def test_the_commit_is_read_from_gits_files(tmp_path, files):
    """Detached, on a branch, packed, in a worktree."""
    assert commit_of(write(tmp_path, **files)) == COMMIT


@pytest.mark.parametrize("files", [{}, {"DOTgit__HEAD": "nonsense"}, {"DOTgit__HEAD": "ref: refs/heads/none"}])
def test_what_is_no_checkout_has_no_commit(tmp_path, files):
    """An installed package has none, and nonsense is not shown."""
    assert commit_of(write(tmp_path, **files)) == ""


def test_rules_are_hashed_by_name_and_content(tmp_path):
    """A changed rule, a renamed one and a new one change the hash; a trigger does not; two readings agree."""
    rules = write(tmp_path / "rules", a__ruleDOTyaml="x", b__ruleDOTyaml="y")
    first = rules_hash([rules])
    assert rules_hash([rules]) == first
    write(rules, a__triggerDOTsh="echo")
    assert rules_hash([rules]) == first
    write(rules, a__ruleDOTyaml="z")
    second = rules_hash([rules])
    write(rules, c__ruleDOTyaml="")
    assert len({first, second, rules_hash([rules]), rules_hash([rules / "a/rule.yaml"]), rules_hash([])}) == 5
    assert rules_hash([tmp_path / "none.yaml"]) != rules_hash([])


def test_everything_is_told(tmp_path):
    """Text and data have the same lines, and every one a value."""
    data = write(tmp_path, bpf__probes__openDOTc="int x;", rules__rDOTyaml="")
    version = own_version(DataRoot(data))
    assert len(version.as_text().splitlines()) == len(version.as_dict()) == 8
    assert version.probes
    assert version.kernel in version.as_text()
    assert "commit  none" in version.as_text()
