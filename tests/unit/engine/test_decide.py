# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from contract.ruleset import RulesetRule, RuntimeRuleset
from sensor.adapters import documents
from sensor.core.errors import DocumentError
from sensor.engine.decide import BUILTIN, Policy, Verdict, load_policy, plain
from sensor.events.dimensions import Profile
from tests.unit.events_factory import make_event, make_workload

R1, R2 = SimpleNamespace(id="SC-0001"), SimpleNamespace(id="SC-0002")
HOST, INSIDE = make_event("open"), make_event("open", container=True)

YAML = """\
apiVersion: scout.dev/v1alpha1
kind: RuntimeRuleset
metadata: {name: %s}
spec:
  rules:
    - id: SC-0001
"""


def labelled(**labels):
    """An event in a container whose pod carries *labels*."""
    pod = SimpleNamespace(labels=labels, are_labels_whole=True)
    return make_event("open", workload=make_workload(Profile.CONTAINER, pod=pod))


def document(name="baseline", rules=("SC-0001",), **spec):
    """A ruleset as plain values."""
    return {
        "apiVersion": "scout.dev/v1alpha1",
        "kind": "RuntimeRuleset",
        "metadata": {"name": name},
        "spec": {"rules": [{"id": rule} for rule in rules], **spec},
    }


def test_the_builtin_policy_logs_everything():
    """Without documents every rule reports, on the host and in containers."""
    policy = Policy.builtin()
    expected = Verdict(mitigation="log", policy=BUILTIN, ruleset=BUILTIN)
    assert policy.decide(HOST, R1) == policy.decide(INSIDE, R2) == expected
    assert policy.chosen_rule_ids is None


def test_a_rule_that_nobody_chose_does_not_report():
    """With documents only their rules report, and the others need not be compiled."""
    policy = Policy.from_documents([document()], name="p", known_rule_ids=["SC-0001", "SC-0002"])
    assert policy.decide(INSIDE, R1) == Verdict(mitigation="log", policy="p", ruleset="baseline")
    assert policy.decide(INSIDE, R2) is None
    assert policy.chosen_rule_ids == {"SC-0001"}


def test_the_host_can_be_out_of_scope():
    """Out of scope means no finding; containers and unknown workloads stay in."""
    unknown = make_event("open", workload=make_workload(Profile.UNKNOWN))
    for policy in (Policy.builtin(is_host_in_scope=False), Policy.from_documents([document()], name="p", is_host_in_scope=False)):
        assert policy.decide(HOST, R1) is None
        assert policy.decide(INSIDE, R1) is not None
        assert policy.decide(unknown, R1) is not None


def test_labels_choose_pods():
    """A pod must carry all labels; the host has none; labels that are not known yet count as carried."""
    policy = Policy.from_documents([document(labels={"app": "shop", "tier": "front"})], name="p")
    assert policy.decide(labelled(app="shop", tier="front", more="x"), R1) is not None
    assert policy.decide(labelled(app="shop"), R1) is None
    assert policy.decide(HOST, R1) is None
    assert policy.decide(INSIDE, R1) is not None


def test_labels_that_were_left_out_count_as_carried():
    """Of a pod with too many labels those that are known are compared; the others may be there."""
    policy = Policy.from_documents([document(labels={"app": "shop", "tier": "front"})], name="p")
    for labels, is_covered in (({"app": "shop"}, True), ({}, True), ({"app": "other"}, False)):
        event = make_event("open", workload=make_workload(Profile.CONTAINER, pod=SimpleNamespace(labels=labels, are_labels_whole=False)))
        assert (policy.decide(event, R1) is not None) == is_covered


def test_the_strongest_mitigation_wins_then_the_first_name():
    """Of several rulesets that cover a pod and a rule one answers, whatever their order."""
    mild = RuntimeRuleset(name="a", rules=(RulesetRule(id="SC-0001"),))
    strong = RuntimeRuleset(name="z", rules=(RulesetRule(id="SC-0001", mitigation="terminate"),), labels={"app": "shop"}, mode="dryRun")
    also = RuntimeRuleset(name="b", rules=(RulesetRule(id="SC-0001"),))
    for rulesets in ((mild, strong, also), (also, strong, mild)):
        policy = Policy("p", rulesets)
        assert policy.decide(labelled(app="shop"), R1) == Verdict(mitigation="terminate", policy="p", ruleset="z", is_dry_run=True)
        assert policy.decide(labelled(app="other"), R1) == Verdict(mitigation="log", policy="p", ruleset="a")


def test_bad_documents_are_refused_with_every_problem():
    """All mistakes of all documents, and a name that is there twice, in one error."""
    with pytest.raises(DocumentError) as caught:
        Policy.from_documents([document(), document(), document(name="x", mode="y"), 5], name="p", known_rule_ids=["SC-0001"])
    assert [str(problem) for problem in caught.value.problems] == [
        "p, document 2: the ruleset 'baseline' is there twice; first in p, document 1",
        "p, document 3: spec.mode: must be one of enforce, dryRun, not 'y'",
        "p, document 4: document: must be a mapping, not a number",
    ]
    assert "3 mistakes" in str(caught.value)


def test_a_file_is_a_policy(tmp_path):
    """A file with several documents is a policy named after it."""
    file = tmp_path / "shop.yaml"
    file.write_text(YAML % "one" + "---\n" + YAML % "two")
    policy = load_policy(file, ["SC-0001"])
    assert policy.name == "shop"
    assert policy.decide(HOST, R1) == Verdict(mitigation="log", policy="shop", ruleset="one")


def test_a_folder_is_a_policy(tmp_path):
    """The .yaml and .yml files of a folder are read, others are not."""
    (tmp_path / "b.yml").write_text(YAML % "two")
    (tmp_path / "a.yaml").write_text(YAML % "one")
    (tmp_path / "notes.txt").write_text("not YAML: [")
    assert load_policy(tmp_path, ["SC-0001"]).chosen_rule_ids == {"SC-0001"}


def test_every_problem_of_every_file_has_its_line_and_column(tmp_path):
    """Unknown keys point at the key, wrong values at the value, missing ones at their mapping, broken files at what broke them."""
    (tmp_path / "a.yaml").write_text(YAML % "one" + "      mitigation: isolate\n      more: 1\n  mode: 5\n")
    (tmp_path / "b.yaml").write_text("kind: [")
    (tmp_path / "c.yaml").write_text(YAML % "two" + "---\n" + YAML.replace("SC-0001", "SC-0009") % "two")
    (tmp_path / "d.yaml").write_text(YAML % "good" + "---\n" + YAML % "good")
    with pytest.raises(DocumentError) as caught:
        load_policy(tmp_path, ["SC-0001"])
    said = [(Path(problem.path).name, problem.line, problem.column, problem.message) for problem in caught.value.problems]
    assert said[:3] == [
        ("a.yaml", 7, 19, "spec.rules[0].mitigation: the mitigation 'isolate' comes with a later version; this one can only log"),
        ("a.yaml", 8, 7, "spec.rules[0].more: unknown key 'more'; known are id, mitigation"),
        ("a.yaml", 9, 9, "spec.mode: must be one of enforce, dryRun, not a number"),
    ]
    assert [name for name, *_ in said[3:]] == ["b.yaml", "c.yaml", "d.yaml"]
    assert said[4][1:] == (13, 11, "spec.rules[0].id: there is no rule 'SC-0009'")
    assert said[5][3].startswith("the ruleset 'good' is there twice; first in ")


@pytest.mark.parametrize("name", ["missing.yaml", "empty.yaml", "folder"])
def test_nothing_to_read_is_an_error(tmp_path, name):
    """A file that is not there, an empty one and a folder without documents are refused, not taken for a policy without rules."""
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DocumentError) as caught:
        load_policy(tmp_path / name, ["SC-0001"])
    assert len(caught.value.problems) == 1


def test_plain_scalars_are_what_yaml_says():
    """Without quotes null, true, false and whole numbers are values; quoted they are text; everything else is text."""
    (root,) = documents.parse(b"[~, true, 12, -3, '12', \"true\", 1.5, no, x, '', 99999999999999999999999]", "t")
    assert plain(root) == [None, True, 12, -3, "12", "true", "1.5", "no", "x", "", "9" * 23]


def test_the_strongest_mitigation_of_a_rule():
    """Whatever the pod; the built-in policy logs every rule, a ruleset only those it has."""
    assert Policy.builtin().strongest("any") == "log"
    assert Policy("p", []).strongest("any") is None
