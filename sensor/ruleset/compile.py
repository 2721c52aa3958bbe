# SPDX-License-Identifier: Apache-2.0
"""
From definitions to rules: check, normalise, generate, and say what cannot be told.

Every rule is compiled for each event kind it can be about. What it depends on
and this build does not have (a field, a probe) makes it blind or degraded,
with the reason; it never makes the load fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sensor.rulelang.ast import And, Constant, Not
from sensor.rulelang.check import Checked, MacroDefinition, Names, Report, check
from sensor.rulelang.clauses import RuleTerms, terms_of
from sensor.rulelang.codegen import Compiled, compile_condition
from sensor.rulelang.fields import KINDS
from sensor.rulelang.lexer import ConditionSyntaxError, unquoted
from sensor.rulelang.optimize import for_kind, literals, mentions, normalize
from sensor.rulelang.parser import parse
from sensor.rulelang.syscalls import BY_KIND
from sensor.rulelang.template import compile_template
from sensor.ruleset import exceptions
from sensor.ruleset.attack import ID as ATTACK_ID
from sensor.ruleset.merge import source_of
from sensor.ruleset.model import HIGH, MATURITIES, PRIORITIES, Rule, RuleStatus

if TYPE_CHECKING:
    from sensor.adapters.documents import Scalar
    from sensor.rulelang.ast import Source, Test
    from sensor.rulelang.links import Closures
    from sensor.rulelang.optimize import Normal
    from sensor.ruleset.attack import AttackTable
    from sensor.ruleset.merge import Definition, Definitions

Tree = Any
"""A checked condition."""

_PROBED = frozenset().union(*BY_KIND.values())
_TOLD_NAMES = 6
_VERSION = re.compile(r"0{0,8}[1-9][0-9]{0,8}")


@dataclass(slots=True)
class Reach:
    """What a condition comes to for each kind, and what stands in its way."""

    functions: dict[str, Compiled] = field(default_factory=dict)
    trees: dict[str, Normal] = field(default_factory=dict)
    terms: dict[str, RuleTerms] = field(default_factory=dict)
    obstacles: dict[str, Test | None] = field(default_factory=dict)
    """What stands in the way, and the test that depends on it."""

    def status(self) -> RuleStatus:
        """Return what the rule can do."""
        if not self.functions:
            return RuleStatus.BLIND
        return RuleStatus.DEGRADED if self.obstacles else RuleStatus.ACTIVE


def names_of(definitions: Definitions, report: Report) -> Names:
    """Parse macros and lists; a macro with a mistake is known without a tree, so that it is not said again for each use."""
    names = Names()
    for name, definition in definitions.macros.items():
        tree = _parsed(definition.scalars("condition", report), report)
        names.macros[name] = MacroDefinition(tree[0] if tree else None)
    for name, definition in definitions.lists.items():
        names.lists[name] = tuple(unquoted(item.text) if item.plain or item.text[:1] in "'\"" else (item.text, " " in item.text)
                                  for item in definition.items("items", report))  # fmt: skip
    return names


def _parsed(parts: list[Scalar], report: Report) -> tuple[Any, Source] | None:
    if not parts:
        return None
    source = source_of(parts)
    try:
        return parse(source), source
    except ConditionSyntaxError as error:
        report.problems.append(source.problem(error.offset, error.message, error.hint))
        return None


def condition_of(definition: Definition, names: Names, report: Report) -> Checked | None:
    """Return the checked condition of a rule, its exceptions taken out of it."""
    parsed = _parsed(definition.scalars("condition", report), report)
    excepted = exceptions.trees(definition.parts.get("exceptions", []), report)
    if parsed is None:
        return None
    tree, source = parsed
    if excepted:
        tree = And((tree, *(Not(one) for _name, one in excepted)))
    return check(tree, source, names, report)


def reach_of(name: str, rule_id: str, priority: str, tree: Tree, closures: Closures) -> Reach:
    """Compile a checked tree for every kind it can hold for."""
    reach = Reach()
    normal = normalize(tree, closures)
    asked = mentions(normal)
    unprobed = [event for event, possible in asked.items() if possible and event.encode() not in _PROBED]
    for kind in KINDS:
        special = for_kind(normal, kind)
        if special == Constant(False):
            continue
        limits = {f"{kind}: {one.leaf.limitation}": one.leaf.written for one in literals(special) if one.leaf.limitation}
        if limits:
            reach.obstacles |= dict(sorted(limits.items()))
            continue
        reach.trees[kind] = special
        reach.functions[kind] = compile_condition(special, f"{rule_id} {kind}")
        reach.terms[kind] = RuleTerms(name, priority in HIGH, terms_of(special, kind))
    if unprobed:
        more = f" and {len(unprobed) - _TOLD_NAMES} more" if len(unprobed) > _TOLD_NAMES else ""
        reach.obstacles[f"no probe for {', '.join(unprobed[:_TOLD_NAMES])}{more}"] = None
    if not reach.functions and not reach.obstacles:
        reach.obstacles["the condition can never hold"] = None
    return reach


def read_rule(definition: Definition, names: Names, table: AttackTable | None, report: Report) -> tuple[Rule, Checked] | None:
    """Return what *definition* says and its condition, checked; or None when it has mistakes, which are then in *report*."""
    before = len(report.problems)
    name = definition.name.text
    said = _Said(definition, report)
    priority = said.priority()
    attack = said.attack(table)
    maturity = said.one("maturity")
    if maturity and maturity not in MATURITIES:
        report.problems.append(definition.parts["maturity"][-1].problem(f"maturity is one of {', '.join(MATURITIES)}"))
    version = said.one("version")
    if version and not _VERSION.fullmatch(version):
        report.problems.append(definition.parts["version"][-1].problem("version is a number from 1"))
    outputs = definition.scalars("output", report)
    checked = condition_of(definition, names, report)
    template = compile_template(source_of(outputs), report) if outputs else None
    if len(report.problems) > before or checked is None or template is None:
        return None
    place = definition.name
    rule = Rule(
        id=said.one("id") or name, name=name, version=int(version or 1), maturity=maturity, priority=priority, attack=attack, tags=said.many("tags"),
        desc=said.joined("desc"), output=said.joined("output"), condition=said.joined("condition"), false_positives=said.many("false_positives"),
        blind_to=said.many("blind_to"), path=place.document.path, line=place.line, status=RuleStatus.BLIND, checked=checked.tree, template=template,
    )  # fmt: skip
    return rule, checked


def compile_rule(rule: Rule, definition: Definition, closures: Closures, report: Report) -> tuple[Rule, Reach]:
    """Return *rule* with its functions, and what it asks of the kernel; what it cannot tell is a warning in *report*."""
    reach = reach_of(rule.name, rule.id, rule.priority, rule.checked, closures)
    done = replace(rule, status=reach.status(), reason="; ".join(reach.obstacles), kinds=tuple(reach.functions), functions=reach.functions, trees=reach.trees)
    for obstacle, test in reach.obstacles.items():
        message = f"{rule.name}: {done.status.value}: {obstacle}"
        report.warnings.append(test.source.problem(test.offset, message) if test else definition.name.problem(message))
    return done, reach


class _Said:
    """Reads a rule's plain keys."""

    def __init__(self, definition: Definition, report: Report) -> None:
        self.definition = definition
        self.report = report

    def one(self, key: str) -> str:
        scalars = self.definition.scalars(key, self.report)
        return scalars[-1].text.strip() if scalars else ""

    def joined(self, key: str) -> str:
        return " ".join(scalar.text for scalar in self.definition.scalars(key, self.report))

    def many(self, key: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.text for item in self.definition.items(key, self.report)))

    def priority(self) -> str:
        said = self.one("priority").upper()
        priority = "INFORMATIONAL" if said == "INFO" else said
        if priority not in PRIORITIES:
            node = self.definition.parts["priority"][-1] if "priority" in self.definition.parts else self.definition.name
            self.report.problems.append(node.problem(f"priority {said!r}", f"one of {', '.join(PRIORITIES)}"))
        return priority

    def attack(self, table: AttackTable | None) -> tuple[str, ...]:
        """Return the technique ids: those of ``attack``, which are checked, or those among the tags, as they are."""
        if "attack" not in self.definition.parts:
            return tuple(tag for tag in self.many("tags") if ATTACK_ID.fullmatch(tag))
        for item in self.definition.items("attack", self.report):
            mistake = table.mistake(item.text, self.report.suggestions) if table else None
            if mistake:
                self.report.problems.append(item.problem(*mistake))
        return self.many("attack")
