# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Annotated, TypedDict

import pytest

from contract import schema


def test_the_committed_schema_is_current():
    """contract/finding.schema.json is what the types say; ``python -m contract.schema`` writes it."""
    assert schema.SCHEMA_FILE.read_text(encoding="utf-8") == schema.schema_text()


def test_the_documentation_is_current():
    """The tables of docs/findings.md are what the types say; ``python -m contract.schema`` writes them."""
    page = schema.DOCUMENTATION.read_text(encoding="utf-8")
    assert schema.BEGIN in page
    assert schema.documented(page) == page


def test_every_member_is_in_the_tables():
    """Each member of each type has a row with a meaning."""
    tables = schema.tables(schema.finding.Finding)
    definitions = schema.json_schema(schema.finding.Finding)
    for part in (definitions, *definitions["$defs"].values()):
        for name, member in part["properties"].items():
            assert f"| `{name}` |" in tables
            assert member["description"]


def test_a_type_it_does_not_know_is_refused():
    """A member that JSON Schema would not describe does not slip into a contract."""

    class Odd(TypedDict):
        """Odd."""

        member: Annotated[bytes, "bytes are no JSON"]

    with pytest.raises(TypeError, match="contract document"):
        schema.json_schema(Odd)
