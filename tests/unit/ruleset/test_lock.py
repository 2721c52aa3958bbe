# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sensor.core.errors import DocumentError
from sensor.ruleset.load import load
from sensor.ruleset.lock import differences, lock_text, main, read_lock
from tests.unit.ruleset.documents import loaded, rule

RULES = Path(__file__).parents[3] / "rules"


def managed(condition, version=1):
    """Return a set of one rule with an id."""
    return loaded("- {list: l, items: [a]}\n" + rule(condition, more=f"  id: SC-1\n  version: {version}\n"))


@pytest.fixture
def lock(tmp_path):
    """Return a lock of version 1 of a rule."""
    path = tmp_path / "lock.json"
    path.write_text(lock_text(managed("proc.name in (l)"), {}))
    return read_lock(path)


def test_the_managed_rules_are_locked():
    """rules/lock.json is current."""
    assert [str(one) for one in differences(load([RULES]), read_lock(RULES / "lock.json"))] == []


def test_a_changed_condition_asks_for_a_version(lock):
    """Layout does not count, meaning does; a raised version is accepted."""
    assert differences(managed("  proc.name  in ( l )"), lock) == []
    assert "did not" in differences(managed("proc.name = b"), lock)[0].message
    assert differences(managed("proc.name = b", version=2), lock) == []


def test_versions_only_rise(lock):
    """A lower one is refused."""
    raised = read_lock_of(lock_text(managed("proc.name = b", version=2), lock))
    assert "only rise" in differences(managed("proc.name = b", version=1), raised)[0].message


def read_lock_of(text):
    """Return a lock's rules from its text."""
    import json

    return json.loads(text)["rules"]


def test_ids_are_permanent(lock):
    """A locked id that is gone is told, and writing the lock anew does not hide it."""
    assert "permanent" in differences(loaded(), lock)[0].message
    with pytest.raises(DocumentError):
        lock_text(loaded(), lock)


def test_a_new_rule_is_added(lock):
    """Told until the lock is written."""
    both = loaded("- {list: l, items: [a]}\n" + rule("proc.name in (l)", more="  id: SC-1\n") + rule("proc.name = b", name="new", more="  id: SC-2\n"))
    assert [one.hint for one in differences(both, lock)] == ["run `python -m sensor.ruleset.lock`"]
    assert set(read_lock_of(lock_text(both, lock))) == {"SC-1", "SC-2"}


def test_a_broken_lock_is_refused(tmp_path):
    """With its path."""
    (tmp_path / "lock.json").write_text("[]")
    with pytest.raises(DocumentError, match=r"lock\.json"):
        read_lock(tmp_path / "lock.json")


def test_the_lock_is_written_anew(tmp_path):
    """A new rule gets its line, and then nothing differs."""
    (tmp_path / "rule.yaml").write_text(rule("evt.type = execve", more="  id: SC-1\n"))
    main(tmp_path)
    assert differences(load([tmp_path]), read_lock(tmp_path / "lock.json")) == []
