# SPDX-License-Identifier: Apache-2.0
"""
Make the JSON Schema and the documentation's tables from typed documents.

``python -m contract.schema`` writes both; tests compare. It reads the small
part of typing that contract documents use (TypedDict, Annotated, Literal,
unions, list, dict, str, int, bool) and refuses the rest, so that nothing in a
document goes undescribed.
"""

from __future__ import annotations

import json
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from contract import finding

ROOT = Path(__file__).resolve().parent.parent
SCHEMA_FILE = ROOT / "contract" / "finding.schema.json"
DOCUMENTATION = ROOT / "docs" / "findings.md"
BEGIN = "<!-- begin: made from contract/finding.py by python -m contract.schema -->"
END = "<!-- end -->"

_PLAIN: dict[object, str] = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def json_schema(document: type) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a TypedDict, every member required; later builds may add members."""
    definitions: dict[str, Any] = {}
    root = _object(document, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{finding.SCHEMA}.json",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def tables(document: type) -> str:
    """Return the documentation of a TypedDict and of all it is made of: one Markdown table each."""
    seen: list[type] = []
    _collect(document, seen)
    return "\n".join(_table(each) for each in seen)


def documented(text: str) -> str:
    """Return *text*, a page, with the tables between its two markers made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(finding.Finding)}{END}{after}"


def schema_text() -> str:
    """Return the text of contract/finding.schema.json."""
    return json.dumps(json_schema(finding.Finding), indent=2, ensure_ascii=False) + "\n"


def _members(document: type) -> dict[str, Any]:
    return typing.get_type_hints(document, include_extras=True)


def _object(document: type, definitions: dict[str, Any]) -> dict[str, Any]:
    members = _members(document)
    properties = {name: _with_text(kind, definitions) for name, kind in members.items()}
    return {"title": document.__name__, "description": document.__doc__, "type": "object"} | {
        "properties": properties,
        "required": list(members),
    }


def _with_text(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  # a type expression has no type of its own
    inner, text = get_args(kind)
    return {**_schema(inner, definitions), "description": text}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  # a type expression
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if typing.is_typeddict(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)} if len(arguments) > 1 else {"const": arguments[0]}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [_schema(each, definitions) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    raise TypeError(f"a contract document cannot have a {kind!r}")


def _parts(kind: Any) -> list[Any]:  # noqa: ANN401  # a type expression
    if get_origin(kind) is Annotated:
        return _parts(get_args(kind)[0])
    return [kind] if typing.is_typeddict(kind) else [part for argument in get_args(kind) for part in _parts(argument)]


def _collect(document: type, seen: list[type]) -> None:
    if document in seen:
        return
    seen.append(document)
    for kind in _members(document).values():
        for part in _parts(kind):
            _collect(part, seen)


def _table(document: type) -> str:
    rows = [f"### {document.__name__}", "", f"{document.__doc__}", "", "| member | type | meaning |", "|---|---|---|"]
    for name, kind in _members(document).items():
        inner, text = get_args(kind)
        rows.append(f"| `{name}` | {_spelled(inner)} | {text} |")
    return "\n".join((*rows, "", ""))


def _spelled(kind: Any) -> str:  # noqa: ANN401  # a type expression
    if kind in _PLAIN:
        return _PLAIN[kind]
    if typing.is_typeddict(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f'`"{each}"`' for each in arguments)
    if origin is list:
        return f"list of {_spelled(arguments[0])}"
    if origin is dict:
        return f"object of {_spelled(arguments[1])}"
    return " or ".join(_spelled(each) for each in arguments)


def main() -> None:
    """Write the schema and the documentation's tables."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    DOCUMENTATION.write_text(documented(DOCUMENTATION.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
