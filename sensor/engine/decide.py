# SPDX-License-Identifier: Apache-2.0
"""
What the policy says to a match: the mitigation asked for, or nothing at all.

A `Policy` is made once from ruleset documents and answers per match with a
`Verdict` made beforehand. A rule that no ruleset chose does not report; of
several rulesets that cover an act the strongest mitigation wins, then the first
by name. What is not known widens: a pod whose labels are not known yet counts
as carrying them, because a finding too many is better than one missed.

Without documents the built-in policy holds: every rule, log, everywhere.
`load_policy` reads the same documents from files, with all mistakes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from contract.finding import MITIGATIONS
from contract.ruleset import read_ruleset, spelled
from sensor.adapters import documents
from sensor.core.errors import DocumentError
from sensor.core.problems import Problem
from sensor.events.dimensions import Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from contract.finding import Mitigation
    from contract.ruleset import Mistake, Place, RuntimeRuleset

BUILTIN = "built-in"
"""Name of the policy and the ruleset that hold when there are no documents."""

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy asks for after a match."""

    mitigation: Mitigation
    """What is to be done."""

    policy: str
    """Name of the policy."""

    ruleset: str
    """Name of the ruleset that chose the rule."""

    definition: str | None = None
    """Definition of the policy that applied; rulesets from files have none."""

    is_dry_run: bool = False
    """Only say what would have been done."""


class IdentifiedRule(Protocol):
    """A rule, as far as policies care."""

    @property
    def id(self) -> str:
        """Its id."""


_Choice = tuple[tuple[tuple[str, str], ...], Verdict]


class Policy:
    """
    Decides by rulesets.

    Args:
        name: The policy's name, for findings.
        rulesets: What is chosen; None for the built-in choice of every rule.
        is_host_in_scope: Whether acts outside containers are looked at.
    """

    def __init__(self, name: str, rulesets: Iterable[RuntimeRuleset] | None, *, is_host_in_scope: bool = True) -> None:
        self.name = name
        self.is_host_in_scope = is_host_in_scope
        self._default: Verdict | None = None
        self._choices: dict[str, tuple[_Choice, ...]] = {}
        if rulesets is None:
            self._default = Verdict(mitigation="log", policy=name, ruleset=BUILTIN)
            return
        ranked: dict[str, list[tuple[int, str, _Choice]]] = {}
        for ruleset in rulesets:
            labels = tuple(sorted(ruleset.labels.items()))
            for rule in ruleset.rules:
                verdict = Verdict(mitigation=rule.mitigation, policy=name, ruleset=ruleset.name, is_dry_run=ruleset.mode == "dryRun")
                ranked.setdefault(rule.id, []).append((-MITIGATIONS.index(rule.mitigation), ruleset.name, (labels, verdict)))
        self._choices = {rule_id: tuple(choice for _, _, choice in sorted(choices, key=lambda each: each[:2])) for rule_id, choices in ranked.items()}

    @classmethod
    def builtin(cls, *, is_host_in_scope: bool = True) -> Policy:
        """Return the policy that reports every rule."""
        return cls(BUILTIN, None, is_host_in_scope=is_host_in_scope)

    @classmethod
    def from_documents(cls, docs: Iterable[object], *, name: str, known_rule_ids: Iterable[str] | None = None, is_host_in_scope: bool = True) -> Policy:
        """
        Return the policy of ruleset documents given as plain values.

        Raises:
            DocumentError: with every mistake of every document; problems say the document by its place in *docs*.
        """
        known = None if known_rule_ids is None else tuple(known_rule_ids)
        rulesets: list[RuntimeRuleset] = []
        problems: list[Problem] = []
        seen: dict[str, str] = {}
        for at, doc in enumerate(docs):
            label = f"{name}, document {at + 1}"
            ruleset, mistakes = read_ruleset(doc, known_rule_ids=known)
            problems += [Problem(label, 0, 0, str(mistake), "", mistake.hint) for mistake in mistakes]
            if ruleset is not None and ruleset.name in seen:
                problems.append(Problem(label, 0, 0, _twice(ruleset.name, seen[ruleset.name])))
            elif ruleset is not None:
                seen[ruleset.name] = label
                rulesets.append(ruleset)
        _raise(name, problems)
        return cls(name, rulesets, is_host_in_scope=is_host_in_scope)

    @property
    def chosen_rule_ids(self) -> frozenset[str] | None:
        """Ids of the rules that can report, so that others need not be compiled; None for all."""
        return None if self._default is not None else frozenset(self._choices)

    def strongest(self, rule_id: str) -> str | None:
        """Return the strongest mitigation that a ruleset asks for after the rule, whatever the pod; None when no ruleset has it."""
        if self._default is not None:
            return self._default.mitigation
        return next((verdict.mitigation for _, verdict in self._choices.get(rule_id, ())), None)

    def decide(self, event: Any, rule: IdentifiedRule) -> Verdict | None:  # noqa: ANN401  # event classes are generated
        """Return what is asked for after *rule* matched *event*, or None when nothing is to be reported."""
        workload = event.workload
        is_host = workload.profile == Profile.HOST
        if is_host and not self.is_host_in_scope:
            return None
        if self._default is not None:
            return self._default
        for labels, verdict in self._choices.get(rule.id, ()):
            if not labels or (not is_host and _carries(workload, labels)):
                return verdict
        return None


def policy_files(path: Path) -> list[Path]:
    """
    The files of a policy: *path* itself, or a folder's .yaml and .yml files in the order of their names' bytes.

    Raises:
        DocumentError: the folder cannot be read.
    """
    try:
        if not path.is_dir():
            return [path]
        return sorted((file for file in path.iterdir() if file.suffix in _SUFFIXES), key=lambda file: file.name.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}", problems=(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}"),)) from error


def load_policy(path: Path, known_rule_ids: Iterable[str], *, is_host_in_scope: bool = True) -> Policy:
    """
    Read a policy from a YAML file, or from the .yaml and .yml files of a folder in the order of their names' bytes.

    Raises:
        DocumentError: with every mistake of every file, each with line and column.
    """
    problems: list[Problem] = []
    rulesets: list[RuntimeRuleset] = []
    seen: dict[str, str] = {}
    known = tuple(known_rule_ids)
    files = policy_files(path)
    for file in files:
        for root in _roots(file, problems):
            ruleset, mistakes = read_ruleset(plain(root), known_rule_ids=known)
            problems += sorted((_placed(root, mistake) for mistake in mistakes), key=lambda problem: (problem.line, problem.column))
            if ruleset is None:
                continue
            place = f"{file}:{root.line}"
            if ruleset.name in seen:
                problems.append((_find(root, ("metadata", "name")) or root).problem(_twice(ruleset.name, seen[ruleset.name])))
            else:
                seen[ruleset.name] = place
                rulesets.append(ruleset)
    if not rulesets and not problems:
        problems.append(Problem(str(path), 0, 0, "no policy documents here", "", "without --policy every rule reports"))
    _raise(str(path), problems)
    return Policy(path.stem, rulesets, is_host_in_scope=is_host_in_scope)


def plain(node: documents.Node) -> object:
    """Return a document as plain values; what YAML's core schema has for null, true, false and whole numbers is just that."""
    if isinstance(node, documents.Mapping):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, documents.Sequence):
        return [plain(item) for item in node.items]
    text = node.text if isinstance(node, documents.Scalar) else ""
    if not (isinstance(node, documents.Scalar) and node.plain):
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < _NUMBER_CHARACTERS else text


_NUMBER_CHARACTERS = 20
# YAML 1.2.2, chapter 10.3, Core Schema
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def _roots(file: Path, problems: list[Problem]) -> list[documents.Node]:
    try:
        content = file.read_bytes()
    except OSError as error:
        problems.append(Problem(str(file), 0, 0, f"cannot be read: {error.strerror}"))
        return []
    try:
        return documents.parse(content, str(file))
    except DocumentError as error:
        problems += [problem for problem in error.problems if isinstance(problem, Problem)]
        return []


def _find(root: documents.Node, place: Place) -> documents.Node | None:
    """The node at *place*, a key's own node when its value is what is unknown; None when the document has no such place."""
    node = root
    for part in place:
        if isinstance(part, str) and isinstance(node, documents.Mapping) and part in node.entries:
            node = node.entries[part][1]
        elif isinstance(part, int) and isinstance(node, documents.Sequence) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def _placed(root: documents.Node, mistake: Mistake) -> Problem:
    node = _find(root, mistake.place)
    parent = _find(root, mistake.place[:-1])
    if mistake.message.startswith("unknown key") and isinstance(parent, documents.Mapping):
        node = parent.entries[str(mistake.place[-1])][0]
    return (node or root).problem(f"{spelled(mistake.place)}: {mistake.message}", mistake.hint)


def _twice(name: str, first: str) -> str:
    return f"the ruleset {name!r} is there twice; first in {first}"


def _raise(name: str, problems: list[Problem]) -> None:
    if problems:
        count = len(problems)
        raise DocumentError(f"{name}: {count} mistake{'s' if count > 1 else ''} in the policy", problems=tuple(problems))


def _carries(workload: Any, labels: tuple[tuple[str, str], ...]) -> bool:  # noqa: ANN401  # the workload's class is the agent's
    """Whether the pod carries *labels*: what is not known, a pod or one of too many labels, counts as carried."""
    pod = workload.pod
    return pod is None or all(pod.labels.get(key, None if pod.are_labels_whole else value) == value for key, value in labels)
