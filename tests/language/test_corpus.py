# SPDX-License-Identifier: Apache-2.0
"""Rule files in the style in which people write them, read together, and what is to come of them; every construct of the language is in one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sensor.adapters.documents import parse
from sensor.core.errors import DocumentError
from sensor.rulelang.clauses import RuleTerms, assign, terms_of
from sensor.rulelang.dimensions_of import survivors
from sensor.rulelang.interpret import holds
from sensor.rulelang.operators import OPERATORS
from sensor.ruleset.load import load
from sensor.ruleset.plain import plain
from sensor.ruleset.read import LIST_KEYS, MACRO_KEYS, RULE_KEYS, TOLERATED
from sensor.ruleset.synthetic import event_of

HERE = Path(__file__).parent / "corpus"
FILES = {folder.name: [path for path in sorted(folder.iterdir()) if path.name != "expected.yaml"] for folder in HERE.iterdir()}
OWN_KEYS = {"id", "version", "maturity", "attack", "false_positives", "blind_to", "capture", "capture_duration"}
"""What managed rules have, which are tested by their own cases, and what Falco does with a finding."""


def expected(folder: str) -> dict[str, object]:
    """The data beside the files."""
    return plain(parse((HERE / folder / "expected.yaml").read_bytes(), "expected.yaml")[0])


SITE = expected("site")


@pytest.fixture(scope="module")
def site():
    """The rules of the site, as they are loaded."""
    return load(FILES["site"])


def place(problem) -> str:
    """The file's name with line and column."""
    return f"{Path(problem.path).name}:{problem.line}:{problem.column}"


def test_rules_are_what_their_files_say_together(site):
    """Which run, with what status and why; what each says after everything that was appended and replaced."""
    assert {rule.name: [rule.status.value, rule.priority, *filter(None, [rule.reason])] for rule in site.rules} == SITE["rules"]
    assert (list(site.disabled), list(site.left_alone)) == (SITE["disabled"], SITE["left_alone"])
    rules = {rule.name: rule for rule in site.rules}
    for name, said in SITE["texts"].items():
        assert {"tags": list(rules[name].tags), "attack": list(rules[name].attack), "desc": rules[name].desc.strip()} == said


def test_limitations_are_named_at_their_place(site):
    """Each warning once, and no other; fields that come to be filled change this list."""
    assert [(place(warning), words in warning.message) for warning, (_, words) in zip(site.warnings, SITE["says"], strict=True)] == [
        (where, True) for where, _ in SITE["says"]
    ]


@pytest.mark.parametrize(("values", "names"), SITE["acts"], ids=[", ".join(f"{key}={value}" for key, value in values.items()) for values, _ in SITE["acts"]])
def test_an_act_is_found_by_the_rules_that_say_so(site, values, names):
    """Interpreter, generated functions and clauses agree with the data."""
    event = event_of(values)
    found = []
    for rule in site.rules:
        function = rule.functions.get(event.kind_name)
        matches = function is not None and function.match(event)
        assert function is None or holds(rule.checked, event) == matches
        if matches:
            found.append(rule.name)
            clauses, _ = assign(event.kind_name, [RuleTerms(rule.name, False, terms_of(rule.trees[event.kind_name], event.kind_name))])
            assert survivors(clauses, event)
    assert found == names


def test_every_mistake_is_told_at_once():
    """Of all files, by place, with a guess where there is one."""
    with pytest.raises(DocumentError) as raised:
        load(FILES["mistakes"])
    wanted = expected("mistakes")["mistakes"]
    told = [(place(problem), problem.message, problem.hint) for problem in raised.value.problems]
    assert [where for where, _, _ in told] == [one[0] for one in wanted]
    for (_, message, hint), one in zip(told, wanted, strict=True):
        assert one[1] in message
        assert (one[2:] == [] and hint == "") or (one[2:] and one[2] in hint), (message, hint)


@pytest.mark.parametrize("key", sorted((RULE_KEYS | MACRO_KEYS | LIST_KEYS | set(TOLERATED)) - OWN_KEYS))
def test_every_key_is_used(key):
    """A key that no file has is a key that nobody tried."""
    assert re.search(rf"^(- |\s+){re.escape(key)}:", "\n".join(path.read_text() for path in FILES["site"]), re.MULTILINE)


@pytest.mark.parametrize("symbol", [operator.symbol for operator in OPERATORS])
def test_every_operator_is_used(symbol):
    """In a condition, a macro or an exception of the corpus, or in one of the language's cases."""
    texts = [path.read_text() for path in FILES["site"]] + [(HERE.parent / "cases.yaml").read_text()]
    pattern = rf"(?<![\w]){re.escape(symbol)}(?![\w])" if symbol.isalpha() else re.escape(symbol)
    assert any(re.search(pattern, text) for text in texts)
