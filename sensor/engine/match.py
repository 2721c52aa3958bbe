# SPDX-License-Identifier: Apache-2.0
"""
From an event's candidate bits to the rules that match it.

The kernel left a few bits; each stands for a clause and so for its rules. Only
those rules' generated functions run, each once, and a rule matches when it
holds under either view of the file (its path, and its path inside its
filesystem when it was reached through a bind or detached mount). A rule that
raises is told and skipped; the others go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensor.events.common import FrameFlag
from sensor.rulelang.together import compile_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from sensor.rulelang.values import Event
    from sensor.ruleset.model import Rule, RuleSet

    Candidates = tuple[tuple[Rule, Callable[[Event], bool]], ...]

FS_PATH = int(FrameFlag.FS_PATH)

RULE_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a generated function can raise when a frame is not what the decoder promises."""

TOGETHER_FROM, TOGETHER_MOST = 4, 256
"""An event that all rules of its kind could match is asked for them together when they are so many: below nothing is won, above it compiles too long."""

MAX_KEPT = 1024
"""Combinations of bits whose rules are remembered; a node shows a few dozen."""

_VIEWED = {"open": "path", "exec": "exe_path"}


def _has_second_view(event: Event) -> bool:
    """Tell whether the event reached a file that can be seen under another path; a failed open reached none."""
    return (event.kind_name == "exec" or (event.kind_name == "open" and event.ret >= 0)) and bool(event.fs_path)


class Matcher:
    """
    The rules of one table generation.

    Args:
        ruleset: the rules and the clauses whose places are the bits.
        failed: told the rule's name and what it raised.
    """

    def __init__(self, ruleset: RuleSet, failed: Callable[[str, Exception], None]) -> None:
        self._failed = failed
        self._kept: dict[str, dict[int, Candidates]] = {}
        self._rules: dict[str, Candidates] = {}
        self._of_bit: dict[str, tuple[int, ...]] = {}
        self._all: dict[str, Callable[[Event], list[int]]] = {}
        for kind, clauses in ruleset.clauses.items():
            rules = tuple((rule, rule.functions[kind].match) for rule in ruleset.rules if kind in rule.functions)
            place = {rule.name: at for at, (rule, _) in enumerate(rules)}
            self._rules[kind] = rules
            self._of_bit[kind] = tuple(sum(1 << place[name] for name in clause.rules if name in place) for clause in clauses)
            self._kept[kind] = {}

    def match(self, event: Event, candidates: int) -> list[Rule]:
        """Return the rules among *candidates* (bits of the event's kind) that match, in the order of their documents."""
        kept = self._kept.get(event.kind_name)
        if kept is None:
            return []
        rules = kept.get(candidates)
        if rules is None:
            rules = self._candidates(event.kind_name, candidates)
        found = self._together(event, rules) if len(rules) >= TOGETHER_FROM else None
        if found is None:
            found = []
            for rule, function in rules:
                try:
                    if function(event):
                        found.append(rule)
                except RULE_ERRORS as error:
                    self._failed(rule.name, error)
        if event.flags & FS_PATH and len(found) < len(rules) and _has_second_view(event):
            return self._second_view(event, rules, found)
        return found

    def _together(self, event: Event, rules: Candidates) -> list[Rule] | None:
        """Return what matches of all rules of the kind, asked by one function; None when *rules* are not all, too many, or one of them raised."""
        kind = event.kind_name
        if len(rules) != len(self._rules[kind]) or len(rules) > TOGETHER_MOST:
            return None
        function = self._all.get(kind)
        if function is None:
            function = self._all[kind] = compile_together([rule.trees[kind] for rule, _ in rules], kind)
        try:
            return [rules[at][0] for at in function(event)]
        except RULE_ERRORS:
            return None  # the rules' own functions tell which

    def _candidates(self, kind: str, candidates: int) -> Candidates:
        """Return the rules of a combination of bits; bits without a clause (all of them, after a stage that knew nothing) are none."""
        of_bit = self._of_bit[kind]
        wanted = 0
        bits = candidates & ((1 << len(of_bit)) - 1)
        while bits:
            low = bits & -bits
            wanted |= of_bit[low.bit_length() - 1]
            bits ^= low
        rules = tuple(one for at, one in enumerate(self._rules[kind]) if wanted >> at & 1)
        kept = self._kept[kind]
        if len(kept) >= MAX_KEPT:
            kept.clear()
        kept[candidates] = rules
        return rules

    def _second_view(self, event: Event, rules: Candidates, found: list[Rule]) -> list[Rule]:
        """Ask the rules that did not match with the path inside the filesystem."""
        name = _VIEWED[event.kind_name]
        path = getattr(event, name)
        missed = {id(rule) for rule in found}
        more = set()
        setattr(event, name, event.fs_path)
        try:
            for rule, function in rules:
                if id(rule) in missed:
                    continue
                try:
                    if function(event):
                        more.add(id(rule))
                except RULE_ERRORS as error:
                    self._failed(rule.name, error)
        finally:
            setattr(event, name, path)
        return [rule for rule, _ in rules if id(rule) in missed or id(rule) in more] if more else found
