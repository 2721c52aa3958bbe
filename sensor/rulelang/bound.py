# SPDX-License-Identifier: Apache-2.0
"""
Fields ready to be read: those of the table with their arguments and transformers, and those that a condition makes of others.

``concat()`` and ``join()`` make a text; a comparison with ``val(FIELD)`` makes
a truth, which the condition then asks for. Missing and unknown go through: of
parts that are missing nothing is made, and of one that is unknown, or a
comparison with one, nothing is known. The kernel tests none of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensor.core.escape import lossless
from sensor.rulelang.fields import FieldSpec
from sensor.rulelang.operators import QUANTITIES
from sensor.rulelang.values import UNKNOWN, FieldType, Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sensor.rulelang.getters import Getter
    from sensor.rulelang.operators import Operator

PRINTABLE = frozenset({FieldType.TEXT, FieldType.NUMBER})
"""Types that can be put together into a text."""

CONSTANT_ONLY = frozenset({"glob", "iglob", "regex", "bcontains", "bstartswith"})
"""Operators whose right side is compiled, or written in hexadecimal."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A field, as conditions use it."""

    spec: FieldSpec
    label: str
    get: Getter | None
    type: FieldType
    many: bool
    limitation: str


def _spec(name: str, kind: FieldType, parts: Sequence[Bound]) -> FieldSpec:
    """Return the row of a field made of *parts*: for events that have them all."""
    kinds = frozenset.intersection(*(part.spec.kinds for part in parts)) if parts else FieldSpec(name=name, type=kind).kinds
    of_image = any(part.spec.is_of_image for part in parts)
    return FieldSpec(name=name, type=kind, kinds=kinds, unknowable=True, missing=True, asked=any(part.spec.asked for part in parts), quotes=of_image)


def together(name: str, parts: Sequence[Bound | bytes], separator: bytes) -> Bound:
    """Return ``concat()`` or ``join()`` (*name*) of fields and constant texts."""
    fields = [part for part in parts if isinstance(part, Bound)]
    texts = ", ".join(part.label if isinstance(part, Bound) else _quoted(part) for part in parts)
    label = f"concat({texts})" if name == "concat()" else f"join({_quoted(separator)}, ({texts}))"
    limitation = next((part.limitation for part in fields if part.limitation), "")
    return Bound(_spec(name, FieldType.TEXT, fields), label, _joiner(parts, separator), FieldType.TEXT, many=False, limitation=limitation)


def _joiner(parts: Sequence[Bound | bytes], separator: bytes) -> Getter:
    readers = [(part.get or _nothing) if isinstance(part, Bound) else _always(part) for part in parts]

    def get(event: Any) -> Any:
        values = [read(event) for read in readers]
        if None in values:
            return None
        if any(value.__class__ is Unknown for value in values):
            return UNKNOWN
        return separator.join(value if isinstance(value, bytes) else str(value).encode() for value in values)

    return get


def _quoted(text: bytes) -> str:
    return '"' + lossless(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _always(text: bytes) -> Getter:
    return lambda _event: text


def _nothing(_event: Any) -> None:
    """What a field that is not filled gives."""


def comparison(left: Bound, operator: Operator, right: Bound) -> Bound:
    """Return the truth of *left* *operator* ``val(right)``; of a right side with many values one must do."""
    read_left, read_right = left.get or _nothing, right.get or _nothing

    def get(event: Any) -> Any:
        value, other = read_left(event), read_right(event)
        if value is None or other is None:
            return None
        if value.__class__ is Unknown or other.__class__ is Unknown:
            return UNKNOWN
        constants = _constants(other if right.many else (other,), right.type)
        if not left.many:
            return operator.test(value, constants)
        return QUANTITIES[operator.quantity]([operator.test(one, constants) for one in value])

    label = f"{left.label} {operator.symbol} val({right.label})"
    return Bound(_spec("val()", FieldType.TRUTH, (left, right)), label, get, FieldType.TRUTH, many=False, limitation="")


def _constants(values: tuple[Any, ...], kind: FieldType) -> tuple[Any, ...]:
    """Return *values* as an operator takes its constants: addresses as networks of one."""
    return tuple(_Alone(one) for one in values) if kind is FieldType.ADDRESS else values


class _Alone:
    """A network of one address, as `operators.in_networks` asks it."""

    __slots__ = ("mask", "network", "v6_only")

    def __init__(self, address: tuple[bool, int]) -> None:
        self.v6_only, self.network = False, address[1]
        self.mask = (1 << 128) - 1
