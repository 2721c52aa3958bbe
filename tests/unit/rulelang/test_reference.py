# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.rulelang import fields
from sensor.rulelang.operators import BY_SYMBOL
from sensor.rulelang.reference import page
from sensor.rulelang.transform import TRANSFORMERS


def test_everything_that_the_tables_know_is_on_the_page():
    """Each operator's spellings, transformer, filled field with its meaning, and unfilled field by name."""
    text = page()
    assert [symbol for symbol in BY_SYMBOL if f"`{symbol}`" not in text] == []
    assert [name for name in TRANSFORMERS if f"`{name}()`" not in text] == []
    assert [spec.name for spec in (*fields.FIELDS.values(), *fields.ARGUMENTS.values()) if f"`{spec.name}" not in text] == []
    assert [spec.name for spec in fields.FIELDS.values() if spec.filled and spec.doc.replace("|", "\\|") not in text] == []


def test_tables_are_tables():
    """Whatever a text has in it, each row has as many cells as the head."""
    for line in page().splitlines():
        if line.startswith("| ") and "`fd." in line[:8]:
            assert line.replace("\\|", "").count("|") == 5, line
