# SPDX-License-Identifier: Apache-2.0
"""As much of JSON Schema as the committed schema uses, and no more: whatever else it says is a failure of the test."""

from __future__ import annotations

import json
from typing import Any

from contract.schema import SCHEMA_FILE

_TYPES: dict[str, Any] = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list, "object": dict}
_KNOWN = {
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "anyOf",
    "enum",
    "const",
}


def check(value: Any, schema: dict[str, Any] | None = None, root: dict[str, Any] | None = None, place: str = "") -> None:
    """Assert that *value* is what the schema says, and has no member beside it."""
    root = root or json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    schema = root if schema is None else schema
    assert set(schema) <= _KNOWN, f"{place}: {set(schema) - _KNOWN}"
    if "$ref" in schema:
        return check(value, root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root, place)
    if "anyOf" in schema:
        return _check_any(value, schema["anyOf"], root, place)
    if "enum" in schema or "const" in schema:
        assert value in schema.get("enum", [schema.get("const")]), f"{place}: {value!r}"
        return None
    assert isinstance(value, _TYPES[schema["type"]]), f"{place}: {value!r} is no {schema['type']}"
    assert schema["type"] != "integer" or not isinstance(value, bool), place
    return _check_parts(value, schema, root, place)


def _check_any(value: Any, schemas: list[dict[str, Any]], root: dict[str, Any], place: str) -> None:
    failures = []
    for each in schemas:
        try:
            return check(value, each, root, place)
        except AssertionError as failure:
            failures.append(str(failure))
    raise AssertionError(f"{place}: none of {failures}")


def _check_parts(value: Any, schema: dict[str, Any], root: dict[str, Any], place: str) -> None:
    if schema["type"] == "array":
        for at, item in enumerate(value):
            check(item, schema["items"], root, f"{place}[{at}]")
    elif "properties" in schema:
        assert list(value) == list(schema["properties"]) == schema["required"], f"{place}: {set(value) ^ set(schema['properties'])}"
        for name, inner in value.items():
            check(inner, schema["properties"][name], root, f"{place}.{name}")
    elif schema["type"] == "object":
        for name, inner in value.items():
            check(inner, schema["additionalProperties"], root, f"{place}.{name}")
