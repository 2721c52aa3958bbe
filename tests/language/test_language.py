# SPDX-License-Identifier: Apache-2.0
"""The examples of the language, run by the interpreter, the generated code and the clauses."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.adapters.documents import parse
from sensor.events.common import FrameFlag
from sensor.rulelang.clauses import RuleTerms, assign, terms_of
from sensor.rulelang.codegen import compile_condition
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.interpret import holds
from sensor.rulelang.lexer import ConditionSyntaxError
from sensor.rulelang.links import no_closures
from sensor.rulelang.optimize import for_kind, normalize
from sensor.ruleset.plain import plain
from sensor.ruleset.synthetic import event_of
from tests.unit.rulelang.conditions import checked, names, tree

HERE = Path(__file__).parent


def examples(name):
    """Return the entries of a data file."""
    return [plain(item) for item in parse((HERE / name).read_bytes(), name)[0].items]


@pytest.mark.parametrize("example", examples("cases.yaml"), ids=lambda example: example["say"])
def test_example(example):
    """Interpreter, generated function and clauses give the verdict that the example states."""
    known = names(example.get("macros"), example.get("lists"))
    meaning = tree(example["condition"], known)
    normal = normalize(meaning, no_closures)
    flags = FrameFlag(0)
    for flag in example.get("flags", []):
        flags |= FrameFlag[flag]
    assert example.get("match") or example.get("silent")
    for verdict in ("match", "silent"):
        for values in example.get(verdict, []):
            event = event_of(values, flags)
            special = for_kind(normal, event.kind_name)
            wanted = verdict == "match"
            assert holds(meaning, event) == wanted, values
            assert compile_condition(special, "example").match(event) == wanted, values
            clauses, _ = assign(event.kind_name, [RuleTerms("example", False, terms_of(special, event.kind_name))])
            assert not wanted or survivors(clauses, event), values


@pytest.mark.parametrize("example", examples("mistakes.yaml"), ids=lambda example: example["condition"] or "empty")
def test_mistake(example):
    """A mistake is told at its column, with what was expected."""
    try:
        found, report = checked(example["condition"])
        assert found is None
        problem = report.problems[0]
        column, message, hint = problem.column, problem.message, problem.hint
    except ConditionSyntaxError as error:
        column, message, hint = error.offset + 1, error.message, error.hint
    assert (column, example["message"] in message) == (int(example["column"]), True), message
    assert example.get("hint", "") in hint
