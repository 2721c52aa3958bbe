# SPDX-License-Identifier: Apache-2.0
"""
The rules and the policy that hold now, and how new ones take their place.

Loading is all or nothing: a set with a mistake changes nothing, the last good
one stays in force, and every mistake is told with its place. Frames carry the
number of the table generation that classified them; the matchers of the last
generations are kept, so that a frame under way is judged by its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensor.engine.decide import Policy, load_policy
from sensor.engine.flood import FLOOD_RULE
from sensor.engine.match import Matcher
from sensor.events.dimensions import CLAUSE_BITS, Clause, Constraint, Dimension, Outcome, Profile
from sensor.health.state import RuleState, RuleStatus
from sensor.probes.table_layout import GENERATIONS
from sensor.rulelang.optimize import literals
from sensor.ruleset.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from sensor.core.config import RunConfig
    from sensor.engine.findings import MatchedRule
    from sensor.ruleset.model import Rule, RuleSet
    from sensor.startup import Installed, KernelSide


def load_documents(config: RunConfig, managed: Path) -> tuple[RuleSet, Policy]:
    """
    Load rules and policy as *config* says; *managed* are the rules of this build.

    Raises:
        DocumentError: with every mistake of every file.
    """
    ruleset = load(config.rules or (managed,))
    if config.policy is None:
        return ruleset, Policy.builtin(is_host_in_scope=config.host_in_scope)
    known = [FLOOD_RULE.id, *(rule.id for rule in ruleset.rules)]
    return ruleset, load_policy(config.policy, known, is_host_in_scope=config.host_in_scope)


IMAGES = Clause(
    kind="exec",
    constraints=(Constraint(Dimension.PROFILE, (Profile.CONTAINER,)), Constraint(Dimension.OUTCOME, (Outcome.SUCCEEDED,))),
    rules=(),
    exact=True,
    high=False,
)
"""
Execs in containers, which no rule is about: what they tell of is asked for when a later act's ancestors are.

It is installed with rules that ask (`RuleSet.wants_images`), and where all bits
are taken it is not: then /proc alone tells (`sensor.workloads.processes`).
"""


def clauses_of(ruleset: RuleSet) -> dict[str, tuple[Clause, ...]]:
    """The clauses by event kind: the rules' own, whose places are their bits, and `IMAGES` behind them."""
    clauses = dict(ruleset.clauses)
    execs = clauses.get("exec", ())
    if ruleset.wants_images and len(execs) < CLAUSE_BITS:
        clauses["exec"] = (*execs, IMAGES)
    return clauses


_EVERY_BIT = (1 << 256) - 1


def in_containers(clause: Clause) -> Clause:
    """*clause*, for containers alone: what the host does is out of scope and does not leave the kernel."""
    others = tuple(constraint for constraint in clause.constraints if constraint.dimension is not Dimension.PROFILE)
    own = [constraint for constraint in clause.constraints if constraint.dimension is Dimension.PROFILE]
    holds = all((Profile.CONTAINER in constraint.values) != constraint.negated for constraint in own)
    return replace(clause, constraints=(*others, Constraint(Dimension.PROFILE, (Profile.CONTAINER,) if holds else ())))


class RulesInForce:
    """Matchers by table generation."""

    def __init__(self, kernel: KernelSide, failed: Callable[[str, Exception], None], *, host_in_scope: bool = True) -> None:
        """*failed* is told the rule's name and what it raised; acts of a host out of scope stay in the kernel."""
        self._kernel = kernel
        self._host_in_scope = host_in_scope
        self._failed = failed
        self._matchers: dict[int, Matcher] = {}
        self._canaries: dict[int, Mapping[str, int]] = {}
        self.installed: Installed | None = None

    def install(self, ruleset: RuleSet) -> Installed:
        """Make *ruleset* the live generation. Raises TableError; the one before stays."""
        clauses = clauses_of(ruleset)
        if not self._host_in_scope:
            clauses = {kind: tuple(map(in_containers, some)) for kind, some in clauses.items()}
        installed = self._kernel.install(clauses)
        self._matchers[installed.number] = Matcher(ruleset, self._failed)
        self._canaries[installed.number] = installed.canaries
        for number in sorted(self._matchers)[:-GENERATIONS]:
            del self._matchers[number], self._canaries[number]
        self.installed = installed
        return installed

    def canaries(self, generation: int) -> Mapping[str, int]:
        """The canaries' bits of a generation."""
        return self._canaries.get(generation, {})

    def match(self, event: Any, candidates: int) -> Iterable[MatchedRule]:  # noqa: ANN401  # the event classes are generated
        """
        The rules that match, judged by the generation that classified the event.

        An event can be older than what is kept (a connect that took minutes):
        then the rules of today are asked, all of them.
        """
        matcher = self._matchers.get(event.generation)
        if matcher is not None:
            return matcher.match(event, candidates)
        newest = self._matchers[max(self._matchers)]
        return newest.match(event, _EVERY_BIT)


def statuses(ruleset: RuleSet, kinds: Iterable[str], *, has_names: bool = True) -> dict[str, RuleStatus]:
    """Rule → its status on this node, where the probes of *kinds* run; *has_names*: somebody tells the names of pods and containers."""
    loaded = set(kinds)
    result = {}
    for rule in ruleset.rules:
        missing = sorted(set(rule.kinds) - loaded)
        if rule.status.value == "blind":
            status = RuleStatus(RuleState.BLIND, rule.reason)
        elif missing and len(missing) == len(set(rule.kinds)):
            status = RuleStatus(RuleState.BLIND, f"no probe for {', '.join(missing)} on this node")
        elif missing:
            status = RuleStatus(RuleState.DEGRADED, f"no probe for {', '.join(missing)} on this node")
        elif rule.status.value == "active" and not has_names and (untold := _untold(rule)):
            status = RuleStatus(RuleState.DEGRADED, f"without a cluster nobody tells {', '.join(untold)}: in a container every test of that holds")
        else:
            status = RuleStatus(RuleState(rule.status.value), rule.reason)
        result[rule.id] = status
    return result


def _untold(rule: Rule) -> list[str]:
    """The fields of the rule's condition that only a cluster can tell."""
    return sorted({literal.leaf.field.spec.name for tree in rule.trees.values() for literal in literals(tree) if literal.leaf.field.spec.told})
