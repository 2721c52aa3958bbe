# SPDX-License-Identifier: Apache-2.0
"""
The document of a runtime ruleset: which rules apply to which pods, and what is to be done.

    apiVersion: scout.dev/v1alpha1
    kind: RuntimeRuleset
    metadata: {name: baseline}
    spec:
      description: what every pod is watched for
      labels: {app: shop}            # a pod must carry all of them; none: all pods, and the host
      mode: enforce                  # or dryRun: findings say what would have happened
      rules:
        - {id: SC-0001, mitigation: log}

`read_ruleset` is strict and complete: a key it does not know, a value of another
type, a name it cannot use are mistakes, each with its place in the document, all
at once. It works on plain values; who read them knows lines and columns.
This build can only ``log``; the other mitigations are understood and refused.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from contract.finding import MITIGATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contract.finding import Mitigation

API_VERSION = "scout.dev/v1alpha1"
KIND = "RuntimeRuleset"

AVAILABLE: tuple[Mitigation, ...] = ("log",)
"""Mitigations that this build can carry out."""

Mode = Literal["enforce", "dryRun"]
MODES: tuple[Mode, ...] = ("enforce", "dryRun")

MAX_RULES = 2_000
"""Rules in one ruleset; ten times the largest managed list."""

MAX_LABELS = 64
"""Labels of one ruleset; a pod has a handful."""

MAX_DESCRIPTION_CHARACTERS = 4_096

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")
_RULE_ID_CHARACTERS = 256  # a rule without an id is known by its name, which may be a sentence
# Kubernetes, "Labels and Selectors", syntax and character set: [prefix/]name, value at most 63 characters
_LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

_MISSING = object()

Place = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the document's root."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong with a document."""

    place: Place
    """The value, or for an unknown key the key."""

    message: str
    """What was found and what was expected."""

    hint: str = ""
    """What to write instead, when there is a good guess."""

    def __str__(self) -> str:
        return f"{spelled(self.place)}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesetRule:
    """One rule of a ruleset."""

    id: str
    mitigation: Mitigation = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRuleset:
    """A ruleset that has no mistakes."""

    name: str
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[RulesetRule, ...] = ()
    mode: Mode = "enforce"


def spelled(place: Place) -> str:
    """Return a place as people write it: ``spec.rules[2].id``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "document"


def read_ruleset(document: object, *, known_rule_ids: Iterable[str] | None = None) -> tuple[RuntimeRuleset | None, tuple[Mistake, ...]]:
    """
    Read a ruleset from plain values (dict, list, str, int, bool, None).

    Args:
        document: The document's root.
        known_rule_ids: Ids there are rules for; another one is a mistake. None leaves that to somebody else.

    Returns:
        The ruleset and no mistakes, or None and every mistake in the order of the keys read.
    """
    reader = _Reader()
    known = None if known_rule_ids is None else tuple(known_rule_ids)
    root = reader.mapping(document, (), required=("apiVersion", "kind", "metadata", "spec"))
    reader.choice(root.get("apiVersion", _MISSING), ("apiVersion",), (API_VERSION,))
    reader.choice(root.get("kind", _MISSING), ("kind",), (KIND,))
    metadata = reader.mapping(root.get("metadata"), ("metadata",), required=("name",)) if "metadata" in root else {}
    name = reader.matching(metadata.get("name", _MISSING), ("metadata", "name"), _NAME, "a name: at most 253 letters, digits, '_', '.' and '-'")
    spec = reader.mapping(root.get("spec"), ("spec",), required=("rules",), optional=("description", "labels", "mode")) if "spec" in root else {}
    description = reader.text(spec.get("description", ""), ("spec", "description"), MAX_DESCRIPTION_CHARACTERS)
    mode = reader.choice(spec.get("mode", "enforce"), ("spec", "mode"), MODES)
    labels = _labels(reader, spec)
    rules = _rules(reader, spec, known)
    if reader.mistakes:
        return None, tuple(reader.mistakes)
    return RuntimeRuleset(name=name, description=description, labels=labels, rules=rules, mode=cast("Mode", mode)), ()


def _labels(reader: _Reader, spec: Mapping[str, Any]) -> dict[str, str]:
    place: Place = ("spec", "labels")
    labels = reader.mapping(spec.get("labels", {}), place, free=True)
    if len(labels) > MAX_LABELS:
        reader.say(place, f"{len(labels)} labels; at most {MAX_LABELS} are taken")
        return {}
    read: dict[str, str] = {}
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            reader.say((*place, key), f"{_quoted(key)} is not a label's key: [prefix/]name with letters, digits, '-', '_' and '.'")
        read[key] = reader.matching(value, (*place, key), _LABEL_VALUE, "a label's value: at most 63 letters, digits, '-', '_' and '.'")
    return read


def _rules(reader: _Reader, spec: Mapping[str, Any], known: tuple[str, ...] | None) -> tuple[RulesetRule, ...]:
    place: Place = ("spec", "rules")
    entries = reader.list(spec.get("rules"), place) if "rules" in spec else []
    if not entries and isinstance(spec.get("rules"), list):
        reader.say(place, "no rules: the ruleset would do nothing")
    if len(entries) > MAX_RULES:
        reader.say(place, f"{len(entries)} rules; at most {MAX_RULES} are taken")
        return ()
    rules: list[RulesetRule] = []
    first: dict[str, int] = {}
    for at, entry in enumerate(entries):
        here: Place = (*place, at)
        rule = reader.mapping(entry, here, required=("id",), optional=("mitigation",))
        rule_id = reader.text(rule["id"], (*here, "id"), _RULE_ID_CHARACTERS, empty=False) if "id" in rule else ""
        if rule_id and rule_id in first:
            reader.say((*here, "id"), f"the rule {_quoted(rule_id)} is there twice; first as {spelled((*place, first[rule_id]))}")
        elif rule_id and known is not None and rule_id not in known:
            reader.say((*here, "id"), f"there is no rule {_quoted(rule_id)}", hint=_nearest(rule_id, known))
        first.setdefault(rule_id, at)
        mitigation = cast("Mitigation", reader.choice(rule.get("mitigation", "log"), (*here, "mitigation"), MITIGATIONS))
        if mitigation in MITIGATIONS and mitigation not in AVAILABLE:
            reader.say((*here, "mitigation"), f"the mitigation {_quoted(mitigation)} comes with a later version; this one can only log", hint="write log")
        rules.append(RulesetRule(id=rule_id, mitigation=mitigation))
    return tuple(rules)


class _Reader:
    """Takes values apart and collects what is wrong with them; after a mistake it goes on with an empty value."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def say(self, place: Place, message: str, hint: str = "") -> None:
        self.mistakes.append(Mistake(place, message, hint))

    def mapping(self, value: object, place: Place, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = (), free: bool = False) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.say(place, f"must be a mapping, not {_named(value)}")
            return {}
        allowed = (*required, *optional)
        for key in value:
            if not isinstance(key, str):
                self.say(place, f"the key {_quoted(str(key))} must be text")
            elif not free and key not in allowed:
                self.say((*place, key), f"unknown key {_quoted(key)}; known are {', '.join(allowed)}", hint=_nearest(key, allowed))
        for key in required:
            if key not in value:
                self.say(place, f"{key} is missing")
        return {key: inner for key, inner in value.items() if isinstance(key, str)}

    def list(self, value: object, place: Place) -> list[Any]:
        if isinstance(value, list):
            return value
        self.say(place, f"must be a list, not {_named(value)}")
        return []

    def text(self, value: object, place: Place, most: int, *, empty: bool = True) -> str:
        if not isinstance(value, str):
            self.say(place, f"must be text, not {_named(value)}", hint="put quotes around it" if isinstance(value, int) else "")
        elif not empty and not value:
            self.say(place, "must not be empty")
        elif len(value) > most:
            self.say(place, f"{len(value)} characters; at most {most} are taken")
        else:
            return value
        return ""

    def choice(self, value: object, place: Place, choices: tuple[str, ...]) -> str:
        if value is _MISSING:
            return ""  # that has been said
        if isinstance(value, str) and value in choices:
            return value
        shown = _quoted(value) if isinstance(value, str) else _named(value)
        expected = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
        self.say(place, f"must be {expected}, not {shown}", hint=_nearest(value, choices) if isinstance(value, str) else "")
        return ""

    def matching(self, value: object, place: Place, pattern: re.Pattern[str], meaning: str) -> str:
        if value is _MISSING:
            return ""  # that has been said
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if isinstance(value, str):
            self.say(place, f"{_quoted(value)} is not {meaning}")
        else:
            self.say(place, f"must be text, not {_named(value)}", hint="put quotes around it" if isinstance(value, int) else "")
        return ""


_SHOWN_CHARACTERS = 80


def _quoted(text: str) -> str:
    """*text* from a document, safe to print and not too long."""
    return ascii(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…") if not text.isprintable() else repr(text[:_SHOWN_CHARACTERS])


def _named(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"a truth value ({str(value).lower()})"
    return {int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}.get(type(value), type(value).__name__)


def _nearest(text: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(text[:_SHOWN_CHARACTERS], choices, n=1)
    return f"did you mean {near[0]}?" if near else ""
