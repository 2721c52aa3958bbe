# SPDX-License-Identifier: Apache-2.0
"""
A condition as text again, macros and lists expanded: for ``explain``, and for the hash that locks a rule's version.

The text is canonical (one spelling per tree, whatever the layout of the file)
and would be read back as the same condition. Long lists are shown whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.core.escape import lossless
from sensor.rulelang.ast import And, Constant, Not, Or
from sensor.rulelang.operators import Operand
from sensor.rulelang.optimize import Literal
from sensor.rulelang.values import Network

if TYPE_CHECKING:
    from sensor.rulelang.check import Leaf


def condition_text(node: Any) -> str:
    """Return the text of a checked tree or of a normal form."""
    if isinstance(node, Constant):
        return "true" if node.value else "false"
    if isinstance(node, Not):
        return f"not {_wrapped(node.part)}"
    if isinstance(node, And):
        return " and ".join(_wrapped(part) for part in node.parts)
    if isinstance(node, Or):
        return " or ".join(_wrapped(part) for part in node.parts)
    if isinstance(node, Literal):
        return ("not " if node.negated else "") + _test(node.leaf, node.values)
    return _test(node, node.values)


def _wrapped(node: Any) -> str:
    text = condition_text(node)
    return f"({text})" if isinstance(node, And | Or) else text


def _test(leaf: Leaf, values: tuple[Any, ...]) -> str:
    operator = leaf.operator
    if leaf.field.spec.name == "val()":
        return leaf.field.label
    if operator.operand is Operand.NONE:
        return f"{leaf.field.label} {operator.symbol}"
    texts = [_value(value) for value in values]
    if operator.operand is Operand.LIST or len(texts) != 1:
        return f"{leaf.field.label} {operator.symbol} ({', '.join(texts)})"
    return f"{leaf.field.label} {operator.symbol} {texts[0]}"


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        text = lossless(value)
        plain = text and not set(text) & set(" \t\r\n()\"'=,\\")
        return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Network) else str(value)
