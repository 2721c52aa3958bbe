# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sensor.core.config import RunConfig
from sensor.core.errors import DocumentError, TableError
from sensor.events.dimensions import CLAUSE_BITS, Clause, Constraint, Dimension, Profile
from sensor.health.state import RuleState
from sensor.probes.table_layout import GENERATIONS
from sensor.rules_in_force import IMAGES, RulesInForce, clauses_of, in_containers, load_documents, statuses
from tests.unit.events_factory import make_event
from tests.unit.ruleset.documents import loaded, rule

OPEN = rule("evt.type = openat and proc.name = cat", name="of opens")
POLICY = "apiVersion: scout.dev/v1alpha1\nkind: RuntimeRuleset\nmetadata: {name: p}\nspec:\n  rules:\n  - {id: %s, mitigation: log}\n"


class Kernel:
    """A kernel side that takes every generation, or none."""

    def __init__(self):
        self.generation = 0
        self.installed = []
        self.is_full = False

    def install(self, clauses):
        if self.is_full:
            raise TableError("full")
        self.generation += 1
        self.installed.append(clauses)
        return SimpleNamespace(number=self.generation, clauses=clauses, canaries={"open": self.generation << 200})


def in_force(kernel=None, **options):
    """Rules in force, and the failures they told."""
    failures = []
    return RulesInForce(kernel or Kernel(), lambda name, error: failures.append((name, error)), **options), failures


def names(rules, event):
    """The names of the rules that match."""
    return [rule.name for rule in rules.match(event, event.candidates)]


def test_an_event_is_judged_by_the_generation_that_classified_it():
    """Frames under way while rules change mean the bits of the rules before."""
    rules, _ = in_force()
    rules.install(loaded(OPEN))
    rules.install(loaded(rule("evt.type = openat and proc.name = cat", name="the new one")))
    assert names(rules, make_event("open", generation=1)) == ["of opens"]
    assert names(rules, make_event("open", generation=2)) == ["the new one"]


ASKS = rule("evt.type = openat and proc.name = cat and proc.pcmdline contains x", name="of a parent")


def test_execs_in_containers_are_let_through_for_rules_about_ancestors():
    """By a clause that is no rule's, behind all others; without such a rule there is none."""
    kernel = Kernel()
    rules, failures = in_force(kernel)
    for text in (OPEN, ASKS):
        rules.install(loaded(text))
    assert [IMAGES in clauses.get("exec", ()) for clauses in kernel.installed] == [False, True]
    assert names(rules, make_event("exec", generation=2, candidates=1)) == failures == []


def test_without_a_bit_to_spare_the_rules_come_first():
    """A set that takes all bits keeps them."""
    ruleset = loaded(ASKS)
    full = tuple(Clause(kind="exec", constraints=(), rules=("r",), exact=False, high=False) for _ in range(CLAUSE_BITS))
    assert clauses_of(replace(ruleset, clauses={**ruleset.clauses, "exec": full}))["exec"] == full
    assert clauses_of(replace(ruleset, clauses={**ruleset.clauses, "exec": full[1:]}))["exec"][-1] is IMAGES


def test_as_many_generations_are_kept_as_the_kernel_has():
    """More would be memory for nothing: no table stands for them any more."""
    rules, _ = in_force()
    for number in range(1, GENERATIONS + 3):
        rules.install(loaded(rule("evt.type = openat", name=f"r{number}")))
    kept = [number for number in range(1, GENERATIONS + 3) if rules.canaries(number)]
    assert kept == [3, 4, 5]
    assert len(rules._matchers) == GENERATIONS


def test_an_event_older_than_what_is_kept_is_asked_of_every_rule_of_today():
    """Its bits mean nothing any more; an event is never without a judge."""
    rules, _ = in_force()
    for number in range(1, GENERATIONS + 3):
        rules.install(loaded(rule("evt.type = openat", name=f"r{number}")))
    assert names(rules, make_event("open", generation=1, candidates=0)) == [f"r{GENERATIONS + 2}"]


def test_a_generation_that_cannot_be_installed_changes_nothing():
    """The kernel refused: matchers, canaries and number stay."""
    kernel = Kernel()
    rules, _ = in_force(kernel)
    first = rules.install(loaded(OPEN))
    kernel.is_full = True
    with pytest.raises(TableError):
        rules.install(loaded(rule("evt.type = openat", name="other")))
    assert rules.installed is first
    assert names(rules, make_event("open", generation=1)) == ["of opens"]


def test_without_the_host_every_clause_asks_for_a_container():
    """What is out of scope does not leave the kernel."""
    kernel = Kernel()
    rules, _ = in_force(kernel, host_in_scope=False)
    rules.install(loaded(OPEN))
    (clause,) = kernel.installed[0]["open"]
    assert [constraint for constraint in clause.constraints if constraint.dimension is Dimension.PROFILE] == [
        Constraint(Dimension.PROFILE, (Profile.CONTAINER,))
    ]


@pytest.mark.parametrize(
    ("own", "values"),
    [
        ((), (Profile.CONTAINER,)),
        ((Constraint(Dimension.PROFILE, (Profile.CONTAINER,)),), (Profile.CONTAINER,)),
        ((Constraint(Dimension.PROFILE, (Profile.HOST,)),), ()),
        ((Constraint(Dimension.PROFILE, (Profile.HOST,), negated=True),), (Profile.CONTAINER,)),
        ((Constraint(Dimension.PROFILE, (Profile.CONTAINER,), negated=True),), ()),
    ],
)
def test_a_clause_for_containers_has_one_profile_constraint(own, values):
    """A clause about the host alone has nobody left; one about both has containers."""
    comm = Constraint(Dimension.COMM, (b"cat",))
    clause = in_containers(Clause(kind="open", constraints=(*own, comm), rules=("r",)))
    assert set(clause.constraints) == {comm, Constraint(Dimension.PROFILE, values)}


def test_statuses_say_what_the_missing_probes_cost():
    """Active, degraded (some of its kinds) and blind (all of them), each with its reason."""
    rules = loaded(
        OPEN,
        rule("evt.type in (openat, connect)", name="of both"),
        rule("evt.type = connect", name="of connects"),
        rule("evt.type = execve and proc.name = x", name="of execs"),
    )
    seen = statuses(rules, ("open", "exec"))
    assert {name: status.state for name, status in seen.items()} == {
        "of opens": RuleState.ACTIVE,
        "of both": RuleState.DEGRADED,
        "of connects": RuleState.BLIND,
        "of execs": RuleState.ACTIVE,
    }
    assert "connect" in seen["of both"].reason
    assert seen["of connects"].reason == "no probe for connect on this node"
    assert seen["of opens"].reason == ""


def test_a_rule_that_is_blind_anyway_keeps_its_own_reason():
    """What this build cannot see is said as the compiler said it."""
    rules = loaded(OPEN)
    rules.rules[0].status, rules.rules[0].reason = type(rules.rules[0].status)("blind"), "no such event in this build"
    assert statuses(rules, ("open",))["of opens"].reason == "no such event in this build"


def test_documents_are_the_managed_rules_unless_others_are_named(tmp_path):
    """With a policy, its rules have to exist; the flood's is known."""
    managed, own, policy = tmp_path / "managed", tmp_path / "own.yaml", tmp_path / "p.yaml"
    managed.mkdir()
    (managed / "a.yaml").write_text(rule("evt.type = openat", name="managed one"))
    own.write_text(rule("evt.type = openat", name="own"))
    ruleset, decided = load_documents(RunConfig(host_in_scope=False), managed)
    assert [each.name for each in ruleset.rules] == ["managed one"]
    assert (decided.name, decided.is_host_in_scope, decided.chosen_rule_ids) == ("built-in", False, None)
    policy.write_text(POLICY % "SC-0000")
    ruleset, decided = load_documents(RunConfig(rules=(own,), policy=policy), managed)
    assert [each.name for each in ruleset.rules] == ["own"]
    assert decided.chosen_rule_ids == {"SC-0000"}
    policy.write_text(POLICY % "SC-9999")
    with pytest.raises(DocumentError):
        load_documents(RunConfig(rules=(own,), policy=policy), managed)


def test_without_a_cluster_a_rule_about_names_says_what_it_matches():
    """It sees more than it asks for, not less; a pod's UID stands in the cgroup's path, and a message may print what it likes."""
    rules = loaded(
        OPEN,
        rule("evt.type = openat and (k8s.ns.name = shop or not container.image.tag = 1)", name="of names"),
        rule("evt.type = openat and k8s.pod.uid = x", name="of uids"),
    )
    seen = statuses(rules, ("open",), has_names=False)
    assert {name: status.state for name, status in seen.items()} == {
        "of opens": RuleState.ACTIVE,
        "of names": RuleState.DEGRADED,
        "of uids": RuleState.ACTIVE,
    }
    assert seen["of names"].reason == "without a cluster nobody tells container.image.tag, k8s.ns.name: in a container every test of that holds"
    assert statuses(rules, ("open",))["of names"].state is RuleState.ACTIVE
