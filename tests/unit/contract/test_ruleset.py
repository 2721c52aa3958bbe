# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest

from contract.ruleset import RulesetRule, RuntimeRuleset, read_ruleset, spelled

GOOD = {
    "apiVersion": "scout.dev/v1alpha1",
    "kind": "RuntimeRuleset",
    "metadata": {"name": "baseline.v1"},
    "spec": {
        "description": "what every pod is watched for",
        "labels": {"app.kubernetes.io/name": "shop", "tier": ""},
        "mode": "dryRun",
        "rules": [{"id": "SC-0001", "mitigation": "log"}, {"id": "SC-0002"}],
    },
}


def changed(*place, to):
    """GOOD with one value changed; *to* Ellipsis takes it out."""
    document = copy.deepcopy(GOOD)
    holder = document
    for part in place[:-1]:
        holder = holder[part]
    if to is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = to
    return document


def mistakes(document, **known):
    """What is said about a document, as people read it."""
    ruleset, found = read_ruleset(document, **known)
    assert (ruleset is None) == bool(found)
    return [str(mistake) for mistake in found]


def test_a_good_document_is_read():
    """Every member arrives; the mitigation is log when it is left out."""
    ruleset, found = read_ruleset(GOOD, known_rule_ids=["SC-0001", "SC-0002"])
    assert found == ()
    assert ruleset == RuntimeRuleset(
        name="baseline.v1",
        description="what every pod is watched for",
        labels={"app.kubernetes.io/name": "shop", "tier": ""},
        rules=(RulesetRule(id="SC-0001", mitigation="log"), RulesetRule(id="SC-0002", mitigation="log")),
        mode="dryRun",
    )


def test_the_least_document():
    """Name and rules are enough: all pods, enforced."""
    ruleset, _ = read_ruleset({**GOOD, "spec": {"rules": [{"id": "a rule by its name"}]}})
    assert ruleset is not None
    assert (ruleset.labels, ruleset.mode, ruleset.description) == ({}, "enforce", "")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "document: must be a mapping, not a list"),
        (None, "document: must be a mapping, not empty"),
        (changed("apiVersion", to="scout.dev/v1"), "apiVersion: must be scout.dev/v1alpha1, not 'scout.dev/v1'"),
        (changed("apiVersion", to=None), "apiVersion: must be scout.dev/v1alpha1, not empty"),
        (changed("kind", to="ClusterPolicy"), "kind: must be RuntimeRuleset, not 'ClusterPolicy'"),
        (changed("kind", to=...), "document: kind is missing"),
        (changed("metadata", to={}), "metadata: name is missing"),
        (changed("metadata", "name", to=None), "metadata.name: must be text, not empty"),
        (changed("metadata", "name", to=5), "metadata.name: must be text, not a number"),
        (changed("metadata", "name", to="no spaces"), "metadata.name: 'no spaces' is not a name"),
        (changed("metadata", "name", to="x" * 300), "is not a name"),
        (changed("metadata", "name", to="\x1b[2J"), "metadata.name: '\\x1b[2J' is not a name"),
        (changed("spec", to=...), "document: spec is missing"),
        (changed("spec", "rules", to=...), "spec: rules is missing"),
        (changed("spec", "rules", to=[]), "spec.rules: no rules"),
        (changed("spec", "rules", to={"id": "x"}), "spec.rules: must be a list, not a mapping"),
        (changed("spec", "rules", to=[{"id": f"r{at}"} for at in range(2_001)]), "spec.rules: 2001 rules; at most 2000"),
        (changed("spec", "rules", 0, to="SC-0001"), "spec.rules[0]: must be a mapping, not text"),
        (changed("spec", "rules", 0, "id", to=...), "spec.rules[0]: id is missing"),
        (changed("spec", "rules", 0, "id", to=""), "spec.rules[0].id: must not be empty"),
        (changed("spec", "rules", 0, "id", to=True), "spec.rules[0].id: must be text, not a truth value (true)"),
        (changed("spec", "rules", 0, "id", to="x" * 300), "spec.rules[0].id: 300 characters; at most 256"),
        (changed("spec", "rules", 1, "id", to="SC-0001"), "spec.rules[1].id: the rule 'SC-0001' is there twice; first as spec.rules[0]"),
        (changed("spec", "rules", 0, "mitigation", to="kill"), "spec.rules[0].mitigation: must be one of log, isolate, terminate, not 'kill'"),
        (changed("spec", "rules", 0, "mitigation", to="isolate"), "'isolate' comes with a later version; this one can only log"),
        (changed("spec", "rules", 0, "mitigation", to="terminate"), "'terminate' comes with a later version; this one can only log"),
        (changed("spec", "rules", 0, "mitigation", to=None), "spec.rules[0].mitigation: must be one of log, isolate, terminate, not empty"),
        (changed("spec", "rules", 0, "more", to=1), "spec.rules[0].more: unknown key 'more'; known are id, mitigation"),
        (changed("spec", "mode", to="dry"), "spec.mode: must be one of enforce, dryRun, not 'dry'"),
        (changed("spec", "description", to=["x"]), "spec.description: must be text, not a list"),
        (changed("spec", "labels", to=["x"]), "spec.labels: must be a mapping, not a list"),
        (changed("spec", "labels", to={"a b": "x"}), "spec.labels.a b: 'a b' is not a label's key"),
        (changed("spec", "labels", to={"a": True}), "spec.labels.a: must be text, not a truth value (true)"),
        (changed("spec", "labels", to={"a": "b c"}), "spec.labels.a: 'b c' is not a label's value"),
        (changed("spec", "labels", to={f"k{at}": "" for at in range(65)}), "spec.labels: 65 labels; at most 64"),
        (changed("spec", to={5: "x", "rules": [{"id": "x"}]}), "spec: the key '5' must be text"),
    ],
)
def test_a_mistake_is_said_with_its_place(document, said):
    """What was found, where, and what was expected; one mistake is said once."""
    found = mistakes(document)
    assert len([each for each in found if said in each]) == 1
    if document:
        assert len(found) == 1


def test_all_mistakes_at_once():
    """A document is mended in one go."""
    document = {"apiVersion": "x", "kind": "y", "metadata": {"name": ""}, "spec": {"rules": [{"id": 5, "mitigaton": "log"}], "lables": {}}, "status": {}}
    places = [each.split(":")[0] for each in mistakes(document)]
    assert places == ["status", "apiVersion", "kind", "metadata.name", "spec.lables", "spec.rules[0].mitigaton", "spec.rules[0].id"]


def test_a_rule_that_does_not_exist_is_a_mistake_with_a_guess():
    """A typing error in an id does not silently watch nothing."""
    _, found = read_ruleset(changed("spec", "rules", 0, "id", to="SC-001"), known_rule_ids=["SC-0001", "SC-0002"])
    assert [(str(mistake), mistake.hint) for mistake in found] == [("spec.rules[0].id: there is no rule 'SC-001'", "did you mean SC-0001?")]


def test_an_unknown_key_has_a_guess():
    """A near miss says which key was probably meant."""
    _, found = read_ruleset(changed("spec", "discription", to="x"))
    assert found[0].hint == "did you mean description?"


def test_places_are_spelled_as_people_write_them():
    """Keys are joined by dots, list positions stand in brackets, the root has a name."""
    assert spelled(("spec", "rules", 2, "id")) == "spec.rules[2].id"
    assert spelled(()) == "document"
