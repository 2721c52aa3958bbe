# SPDX-License-Identifier: Apache-2.0
"""
From a condition's text to a tree of names.

Knows the grammar and the table of operators, not the fields, macros or lists:
those are the checker's. Parentheses may be 100 deep, as in Falco; chains of
``and`` and ``or`` may be as long as the text.

    or     = and { "or" and }
    and    = not { "and" not }
    not    = { "not" } ( "(" or ")" | test | macro )
    test   = field ( "exists" | op value | op "(" [ value { "," value } ] ")" | op list | op val(field) )
    field  = name [ "[" argument "]" ] | transformer "(" field ")" | "concat(" part { "," part } ")" | "join(" value ", (" part { "," part } "))"
    part   = field | value
"""

from __future__ import annotations

from dataclasses import replace

from sensor.rulelang.ast import And, FieldName, MacroName, Node, Not, Or, Source, Test, Value
from sensor.rulelang.lexer import ConditionSyntaxError, Cursor
from sensor.rulelang.operators import BY_SYMBOL, SYMBOLS, Operand, Operator

MAX_DEPTH = 100
"""Parentheses in parentheses, as Falco's parser has it."""

TRANSFORMERS = ("tolower", "toupper", "b64", "basename", "len")
"""What may stand around a field; ``val`` marks a field on the right side."""


def parse(source: Source) -> Node:
    """
    Return the tree of *source*.

    Raises:
        ConditionSyntaxError: with the offset where the text stops being a condition.
    """
    parser = _Parser(source)
    if not source.text.strip():
        raise ConditionSyntaxError(0, "the condition is empty")
    node = parser.disjunction(0)
    if not parser.cursor.at_end():
        raise ConditionSyntaxError(parser.cursor.at, f"unexpected {parser.cursor.rest()!r}; expected 'and', 'or' or the end")
    return node


class _Parser:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.cursor = Cursor(source.text)

    def disjunction(self, depth: int) -> Node:
        parts = [self._conjunction(depth)]
        while self._connective("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self, depth: int) -> Node:
        parts = [self._negation(depth)]
        while self._connective("and"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _connective(self, word: str) -> bool:
        self.cursor.skip_blank()
        return self.cursor.take_word(word)

    def _negation(self, depth: int) -> Node:
        cursor = self.cursor
        negated = False
        cursor.skip_blank()
        while cursor.take_word("not"):
            negated = not negated
            cursor.skip_blank()
        node = self._primary(depth)
        return Not(node) if negated else node

    def _primary(self, depth: int) -> Node:
        cursor = self.cursor
        offset = cursor.at
        if cursor.take("("):
            if depth + 1 >= MAX_DEPTH:
                raise ConditionSyntaxError(offset, f"parentheses nested deeper than {MAX_DEPTH}")
            node = self.disjunction(depth + 1)
            cursor.skip_blank()
            if not cursor.take(")"):
                raise ConditionSyntaxError(cursor.at, f"expected ')' instead of {cursor.rest()!r}")
            return node
        field = self._field()
        if field is not None:
            return self._test(field, offset)
        name = cursor.take_identifier()
        if name is None or name in ("and", "or"):
            cursor.at = offset
            raise ConditionSyntaxError(offset, f"expected '(', a field or a macro instead of {cursor.rest()!r}")
        return MacroName(name, offset, self.source)

    def _field(self, depth: int = 0) -> FieldName | None:
        """Take a field with its argument, or transformers around one."""
        cursor = self.cursor
        offset = cursor.at
        if depth >= MAX_DEPTH:
            raise ConditionSyntaxError(offset, f"fields nested deeper than {MAX_DEPTH}")
        for transformer in TRANSFORMERS:
            if cursor.take(transformer + "("):
                cursor.skip_blank()
                inner = self._field(depth + 1)
                cursor.skip_blank()
                if inner is None or not cursor.take(")"):
                    raise ConditionSyntaxError(cursor.at, f"expected a field and ')' in {transformer}()")
                return replace(inner, transformers=(transformer, *inner.transformers))
        if cursor.take("concat("):
            return FieldName("concat()", None, offset, parts=self._parts("concat", depth + 1))
        if cursor.take("join("):
            return self._joined(offset, depth + 1)
        name = cursor.take_field()
        if name is None:
            return None
        argument = None
        if cursor.take("["):
            argument = cursor.take_argument()
            if argument is None or not cursor.take("]"):
                raise ConditionSyntaxError(cursor.at, f"expected an argument and ']' after {name}[")
        return FieldName(name, argument, offset)

    def _joined(self, offset: int, depth: int) -> FieldName:
        separator = self._value()
        self.cursor.skip_blank()
        if separator is None or not self.cursor.take(","):
            raise ConditionSyntaxError(self.cursor.at, "expected a separator and ',' in join()")
        self.cursor.skip_blank()
        if not self.cursor.take("("):
            raise ConditionSyntaxError(self.cursor.at, "expected '(' and what is to be joined in join()")
        parts = self._parts("join", depth)
        self.cursor.skip_blank()
        if not self.cursor.take(")"):
            raise ConditionSyntaxError(self.cursor.at, f"expected ')' instead of {self.cursor.rest()!r} in join()")
        return FieldName("join()", None, offset, parts=parts, separator=separator.text)

    def _parts(self, word: str, depth: int) -> tuple[FieldName | Value, ...]:
        """Take fields and texts up to and with the closing parenthesis."""
        parts: list[FieldName | Value] = []
        while True:
            self.cursor.skip_blank()
            at = self.cursor.at
            part = self._field(depth) or self._value()
            if part is None:
                raise ConditionSyntaxError(at, f"expected a field or a text in {word}() instead of {self.cursor.rest()!r}")
            parts.append(part)
            self.cursor.skip_blank()
            if self.cursor.take(")"):
                break
            if not self.cursor.take(","):
                raise ConditionSyntaxError(self.cursor.at, f"expected ',' or ')' instead of {self.cursor.rest()!r} in {word}()")
        if word == "concat" and len(parts) < 2:  # noqa: PLR2004  # one is nothing to put together
            raise ConditionSyntaxError(self.cursor.at, "concat() puts two or more together")
        return tuple(parts)

    def _operator(self) -> Operator:
        self.cursor.skip_blank()
        for symbol in SYMBOLS:
            taken = self.cursor.take_word(symbol) if symbol.isalpha() else self.cursor.take(symbol)
            if taken:
                return BY_SYMBOL[symbol]
        raise ConditionSyntaxError(self.cursor.at, f"expected an operator instead of {self.cursor.rest()!r}", f"one of {' '.join(SYMBOLS)}")

    def _test(self, field: FieldName, offset: int) -> Node:
        operator = self._operator()
        cursor = self.cursor
        if operator.operand is Operand.NONE:
            return Test(field, operator.symbol, (), offset, self.source)
        cursor.skip_blank()
        at = cursor.at
        if cursor.take("val("):
            cursor.skip_blank()
            other = self._field()
            cursor.skip_blank()
            if other is None or not cursor.take(")"):
                raise ConditionSyntaxError(cursor.at, "expected a field and ')' in val()")
            return Test(field, operator.symbol, (), offset, self.source, other)
        if any(self.source.text.startswith(name + "(", at) for name in TRANSFORMERS):
            return Test(field, operator.symbol, (), offset, self.source, self._field())
        if operator.operand is Operand.LIST:
            listed = self.source.text.startswith("(", at)
            return Test(field, operator.symbol, self._list(), offset, self.source, listed=listed)
        value = self._value()
        if value is None:
            raise ConditionSyntaxError(at, f"expected a value after {operator.symbol!r} instead of {cursor.rest()!r}")
        return Test(field, operator.symbol, (value,), offset, self.source)

    def _value(self) -> Value | None:
        cursor = self.cursor
        cursor.skip_blank()
        offset = cursor.at
        quoted = cursor.take_quoted()
        if quoted is not None:
            return Value(quoted, offset, quoted=True)
        bare = cursor.take_bare()
        return Value(bare, offset) if bare is not None else None

    def _list(self) -> tuple[Value, ...]:
        cursor = self.cursor
        offset = cursor.at
        if not cursor.take("("):
            name = cursor.take_identifier()
            if name is None:
                raise ConditionSyntaxError(offset, f"expected '(' or a list instead of {cursor.rest()!r}")
            return (Value(name, offset),)
        values: list[Value] = []
        value = self._value()
        while value is not None:
            values.append(value)
            cursor.skip_blank()
            if not cursor.take(","):
                break
            value = self._value()
            if value is None:
                raise ConditionSyntaxError(cursor.at, f"expected a value after ',' instead of {cursor.rest()!r}")
        cursor.skip_blank()
        if not cursor.take(")"):
            raise ConditionSyntaxError(cursor.at, f"expected ',' or ')' instead of {cursor.rest()!r}")
        return tuple(values)
