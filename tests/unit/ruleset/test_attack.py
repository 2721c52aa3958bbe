# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from sensor.core.errors import DocumentError
from sensor.core.suggest import Suggestions
from sensor.engine.flood import FLOOD_RULE
from sensor.ruleset.attack import ID, load_table
from sensor.ruleset.load import DEFAULT_TABLE


def test_the_pinned_table_is_whole():
    """All 48 techniques for containers are there, every id is one, every technique has a tactic."""
    table = load_table(DEFAULT_TABLE)
    assert DEFAULT_TABLE.read_text().count('"containers": true') == 48
    assert all(ID.fullmatch(technique) and name and tactics for technique, (name, tactics) in table.techniques.items())
    assert set(FLOOD_RULE.attack) <= set(table.techniques)


def test_a_mistake_gets_a_hint():
    """The nearest id."""
    table = load_table(DEFAULT_TABLE)
    assert table.mistake("T1611", Suggestions()) is None
    message, hint = table.mistake("T1552.05", Suggestions())
    assert "T1552.05" in message
    assert hint == "perhaps T1552.005"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1, "techniques": {"T1": 5}}'])
def test_a_broken_table_is_refused(tmp_path, content):
    """With its path."""
    path = tmp_path / "attack.json"
    path.write_text(content)
    with pytest.raises(DocumentError, match=r"attack\.json"):
        load_table(path)


def test_a_missing_table_is_refused():
    """When it was asked for."""
    with pytest.raises(DocumentError):
        load_table(Path("/nonexistent"))
