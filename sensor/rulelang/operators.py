# SPDX-License-Identifier: Apache-2.0
"""
The one table of operators.

Parser (what follows), checker (which types), interpreter (`Operator.test`),
code generator (`Operator.code`, over what `Operator.prepare` made) and the
documentation read it; an operator is one row here. A row's ``test`` is the
meaning: slow, over the constants as written. Its ``code`` must agree, and a
property test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sensor.adapters.regex import full_match, glob_match
from sensor.rulelang.values import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.values import Unknown

Values = tuple[Any, ...]


class Operand(Enum):
    """What stands on the right side."""

    NONE = "nothing"
    ONE = "a value"
    LIST = "a list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One row."""

    symbol: str
    operand: Operand
    types: frozenset[FieldType]
    doc: str
    test: Callable[[Any, Values], bool]
    """The meaning, for one known value and the typed constants."""

    prepare: Callable[[Values], Any]
    """What the generated code's constant is made of."""

    code: str
    """Python for ``{v}`` (a known value) and ``{c}`` (what prepare made)."""

    address_code: str = ""
    """The same for addresses, whose constants are networks."""

    many_code: str = ""
    """The same when ``{v}`` is a tuple of values of which one must do; generated from ``code`` when empty."""

    quantity: str = "any"
    """Of a field with many values the test must hold for ``any``, ``all`` (``!=``) or just ``one``."""

    may: Callable[[Unknown, Values], bool] = lambda _unknown, _values: True
    """Whether a value of which only the end is known may pass."""

    linked: bool = False
    """Constants are whole paths or their beginnings, to be closed under links."""


_TEXT = frozenset({FieldType.TEXT})
_ORDER = frozenset({FieldType.NUMBER, FieldType.TEXT})
_EQUAL = frozenset({FieldType.TEXT, FieldType.NUMBER, FieldType.TRUTH, FieldType.ADDRESS, FieldType.BUFFER})
_SEARCH = frozenset({FieldType.TEXT, FieldType.BUFFER})

glob_tester = lru_cache(maxsize=4096)(glob_match)
regex_tester = lru_cache(maxsize=4096)(full_match)


def in_networks(address: tuple[bool, int], networks: Values) -> bool:
    """Tell whether *address* (is the socket IPv6, 128-bit number) lies in one of *networks*."""
    is_v6, number = address
    return any(number & one.mask == one.network and (is_v6 or not one.v6_only) for one in networks)


def _equals(value: Any, values: Values) -> bool:
    if isinstance(value, tuple):
        return in_networks(value, values)
    return any(value == one for one in values)


def _pmatch(value: bytes, values: Values) -> bool:
    return any(value == one.rstrip(b"/") or value.startswith(one.rstrip(b"/") + b"/") for one in values)


def pmatches(value: bytes, prepared: tuple[frozenset[bytes], tuple[bytes, ...]]) -> bool:
    """Tell whether *value* is one of the prepared paths or lies below one."""
    return value in prepared[0] or value.startswith(prepared[1])


def _ends(unknown: Unknown, values: Values) -> bool:
    return not all(isinstance(one, bytes) for one in values) or any(one.endswith(unknown.suffix) for one in values)


def _ends_either(unknown: Unknown, values: Values) -> bool:
    return any(one.endswith(unknown.suffix) or unknown.suffix.endswith(one) for one in values)


_GLOB_META = b"*?[]\\()|+@!"


def glob_ends(pattern: bytes) -> tuple[bytes, bytes]:
    """Return what every text that the shell pattern matches begins and ends with."""
    first = next((at for at, byte in enumerate(pattern) if byte in _GLOB_META), len(pattern))
    last = next((at for at in range(len(pattern) - 1, -1, -1) if pattern[at] in _GLOB_META), -1)
    return pattern[:first], pattern[last + 1 :]


def _glob_ends_either(unknown: Unknown, values: Values) -> bool:
    return _ends_either(unknown, tuple(glob_ends(one)[1] for one in values))


def _pmatch_prepared(values: Values) -> Any:
    bare = [one.rstrip(b"/") for one in values]
    return frozenset(bare), tuple(one + b"/" for one in bare)


def _one_of(testers: Any) -> Callable[[bytes], bool]:
    together = tuple(testers)
    return together[0] if len(together) == 1 else lambda value: any(tester(value) for tester in together)


QUANTITIES: dict[str, Callable[[list[bool]], bool]] = {"any": any, "all": all, "one": lambda answers: answers.count(True) == 1}

_IN, _IN_NETWORKS, _MEETS = "{v} in {c}", "in_networks({v}, {c})", "not {c}.isdisjoint({v})"

OPERATORS: tuple[Operator, ...] = (
    Operator(
        symbol="=",
        operand=Operand.ONE,
        types=_EQUAL,
        doc="is",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        linked=True,
        code=_IN,
        address_code=_IN_NETWORKS,
        many_code=_MEETS,
    ),
    Operator(
        symbol="!=",
        operand=Operand.ONE,
        types=_EQUAL,
        doc="is there and is not",
        test=lambda v, c: not _equals(v, c),
        prepare=frozenset,
        code="{v} not in {c}",
        address_code="not in_networks({v}, {c})",
        many_code="{c}.isdisjoint({v})",
        quantity="all",
        linked=True,
    ),
    Operator(symbol="<=", operand=Operand.ONE, types=_ORDER, doc="is at most", test=lambda v, c: v <= c[0], prepare=lambda c: c[0], code="{v} <= {c}"),
    Operator(symbol="<", operand=Operand.ONE, types=_ORDER, doc="is less than", test=lambda v, c: v < c[0], prepare=lambda c: c[0], code="{v} < {c}"),
    Operator(symbol=">=", operand=Operand.ONE, types=_ORDER, doc="is at least", test=lambda v, c: v >= c[0], prepare=lambda c: c[0], code="{v} >= {c}"),
    Operator(symbol=">", operand=Operand.ONE, types=_ORDER, doc="is more than", test=lambda v, c: v > c[0], prepare=lambda c: c[0], code="{v} > {c}"),
    Operator(
        symbol="contains", operand=Operand.ONE, types=_SEARCH, doc="has the text in it", test=lambda v, c: c[0] in v, prepare=lambda c: c[0], code="{c} in {v}"
    ),
    Operator(
        symbol="icontains",
        operand=Operand.ONE,
        types=_TEXT,
        doc="has the text in it, ASCII letters of either case",
        test=lambda v, c: c[0].lower() in v.lower(),
        prepare=lambda c: c[0].lower(),
        code="{c} in {v}.lower()",
    ),
    Operator(
        symbol="bcontains",
        operand=Operand.ONE,
        types=_SEARCH,
        doc="has the bytes in it, given in hexadecimal",
        test=lambda v, c: c[0] in v,
        prepare=lambda c: c[0],
        code="{c} in {v}",
    ),
    Operator(
        symbol="startswith",
        operand=Operand.ONE,
        types=_SEARCH,
        doc="begins with",
        test=lambda v, c: any(v.startswith(one) for one in c),
        prepare=tuple,
        code="{v}.startswith({c})",
        linked=True,
    ),
    Operator(
        symbol="bstartswith",
        operand=Operand.ONE,
        types=_SEARCH,
        doc="begins with the bytes, given in hexadecimal",
        test=lambda v, c: v.startswith(c[0]),
        prepare=tuple,
        code="{v}.startswith({c})",
    ),
    Operator(
        symbol="endswith",
        operand=Operand.ONE,
        types=_SEARCH,
        doc="ends with",
        test=lambda v, c: any(v.endswith(one) for one in c),
        prepare=tuple,
        code="{v}.endswith({c})",
        may=_ends_either,
    ),
    Operator(
        symbol="glob",
        operand=Operand.ONE,
        types=_TEXT,
        doc="is matched by the shell pattern; * crosses slashes",
        test=lambda v, c: any(glob_tester(one)(v) for one in c),
        prepare=lambda c: _one_of(glob_tester(one) for one in c),
        code="{c}({v})",
        may=_glob_ends_either,
        linked=True,
    ),
    Operator(
        symbol="iglob",
        operand=Operand.ONE,
        types=_TEXT,
        doc="as glob, ASCII letters of either case",
        test=lambda v, c: glob_tester(c[0], fold=True)(v),
        prepare=lambda c: glob_tester(c[0], fold=True),
        code="{c}({v})",
    ),
    Operator(
        symbol="regex",
        operand=Operand.ONE,
        types=_TEXT,
        doc="is matched as a whole by the RE2 expression",
        test=lambda v, c: regex_tester(c[0])(v),
        prepare=lambda c: regex_tester(c[0]),
        code="{c}({v})",
    ),
    Operator(
        symbol="intersects",
        operand=Operand.LIST,
        types=_EQUAL,
        doc="has a value among",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        linked=True,
        code=_IN,
        address_code=_IN_NETWORKS,
        many_code=_MEETS,
    ),
    Operator(
        symbol="in",
        operand=Operand.LIST,
        types=_EQUAL,
        doc="is among",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        linked=True,
        code=_IN,
        address_code=_IN_NETWORKS,
        many_code=_MEETS,
    ),
    Operator(
        symbol="anyof",
        operand=Operand.LIST,
        types=_EQUAL,
        doc="is among; of several values, at least one is",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        linked=True,
        code=_IN,
        address_code=_IN_NETWORKS,
        many_code=_MEETS,
    ),
    Operator(
        symbol="allof",
        operand=Operand.LIST,
        types=_EQUAL,
        doc="is among; of several values, each is",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        linked=True,
        code=_IN,
        address_code=_IN_NETWORKS,
        quantity="all",
    ),
    Operator(
        symbol="oneof",
        operand=Operand.LIST,
        types=_EQUAL,
        doc="is among; of several values, just one is",
        test=_equals,
        prepare=frozenset,
        may=_ends,
        code=_IN,
        address_code=_IN_NETWORKS,
        quantity="one",
    ),
    Operator(
        symbol="pmatch",
        operand=Operand.LIST,
        types=_TEXT,
        doc="is one of the paths or lies below one",
        test=_pmatch,
        prepare=_pmatch_prepared,
        code="pmatches({v}, {c})",
        linked=True,
    ),
    Operator(
        symbol="exists", operand=Operand.NONE, types=_EQUAL, doc="the event has such a value", test=lambda _v, _c: True, prepare=lambda _c: None, code="True"
    ),
)

BY_SYMBOL = {operator.symbol: operator for operator in OPERATORS} | {"==": next(one for one in OPERATORS if one.symbol == "=")}

SYMBOLS: tuple[str, ...] = tuple(sorted(BY_SYMBOL, key=len, reverse=True))
"""All spellings, longest first: the order in which to try them."""
