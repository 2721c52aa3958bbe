# SPDX-License-Identifier: Apache-2.0
"""
Load rule files into a `RuleSet`, or refuse with every mistake of every file.

Files are read in the order given, folders in the order of their names' bytes;
later files override earlier ones. A set with one mistake is no set: what was
in force before stays, which is the caller's to keep.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.adapters.documents import MAX_BYTES, parse
from sensor.core.errors import DocumentError
from sensor.core.problems import Problem
from sensor.rulelang.check import Report
from sensor.rulelang.clauses import assign
from sensor.rulelang.fields import KINDS
from sensor.rulelang.optimize import literals
from sensor.rulelang.room import fitting
from sensor.ruleset import compile as compiling
from sensor.ruleset.attack import AttackTable, load_table
from sensor.ruleset.lint import lint
from sensor.ruleset.merge import Definition, Definitions
from sensor.ruleset.model import Rule, RuleSet
from sensor.ruleset.read import entries
from sensor.ruleset.roots import host_closures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sensor.rulelang.check import Names
    from sensor.rulelang.links import Closures

NOT_RULES = frozenset({"cases.yaml"})
"""Files that stand beside rules in a folder and hold something else."""

MAX_FILES = 10_000
"""Most files that one load reads."""

MAX_SET_BYTES = 16 * 1024 * 1024
"""Most of them together."""

MAX_SET_TESTS, MAX_SET_VALUES = 100_000, 1_000_000
"""Most tests and constants of all conditions, macros and lists expanded: small files can ask for much."""

MAX_TOLD = 1_000
"""Most mistakes and warnings that are told; who has more has one mistake many times."""

DEFAULT_TABLE = Path(__file__).resolve().parents[2] / "rules" / "attack.json"


def rule_files(paths: Sequence[Path]) -> list[Path]:
    """
    Return the rule files that *paths* mean: files as they are, folders walked for ``.yaml`` and ``.yml`` in byte order.

    Raises:
        DocumentError: for paths that are not there or cannot be read.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if path.is_dir():
            inside = [file for pattern in ("*.yaml", "*.yml") for file in path.rglob(pattern) if file.is_file() and file.name not in NOT_RULES]
            found += sorted(inside, key=lambda file: os.fsencode(file.as_posix()))
            if not inside:
                problems.append(Problem(str(path), 0, 0, "the folder has no rule files"))
        elif path.exists():
            found.append(path)
        else:
            problems.append(Problem(str(path), 0, 0, "there is no such file or folder"))
    if len(found) > MAX_FILES:
        problems.append(Problem(str(paths[0]), 0, 0, f"{len(found)} rule files; {MAX_FILES} are the most"))
    if problems:
        raise _error(problems)
    return found


def _contents(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Read the files, one byte more of each than is allowed at most, so that an endless one is told of."""
    left = MAX_SET_BYTES
    for path in files:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _error([Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from error
        left -= len(content)
        if left < 0:
            raise _error([Problem(str(path), 0, 0, f"the rule files up to this one have more than {MAX_SET_BYTES} bytes")])
        yield str(path), content


def load(paths: Sequence[Path], *, attack_table: Path | None = None, closures: Closures | None = None) -> RuleSet:
    """
    Load the rules at *paths*.

    Args:
        paths: files and folders, in order.
        attack_table: the pinned techniques; when not given those in one of the folders (``attack.json``), or this checkout's.
        closures: how path constants are followed; the host's root when not given.

    Raises:
        DocumentError: ``problems`` has every mistake of every file, by place.
    """
    files = list(_contents(rule_files(paths)))
    beside = next((path / "attack.json" for path in paths if (path / "attack.json").is_file()), None)
    return load_texts(files, attack_table=attack_table or beside, closures=closures)


def load_texts(files: Sequence[tuple[str, bytes]], *, attack_table: Path | None = None, closures: Closures | None = None) -> RuleSet:
    """Load rules from names and contents of files; see `load`."""
    report = Report()
    definitions = Definitions()
    for name, content in files:
        try:
            roots = parse(content, name)
        except DocumentError as error:
            report.problems += [problem for problem in error.problems if isinstance(problem, Problem)]
            continue
        for entry in entries(roots, report):
            definitions.take(entry, report)
    table = _table(attack_table)
    names = compiling.names_of(definitions, report)
    made = _sorted(definitions, names, table, report)
    _ids([rule for rule, _ in made.rules], definitions, report)
    if report.problems:
        raise _error(report.problems)
    follow = closures if closures is not None else host_closures()
    compiled = [compiling.compile_rule(rule, definition, follow, report) for rule, definition in made.rules]
    rules, reaches = [rule for rule, _ in compiled], [reach for _, reach in compiled]
    clauses = {}
    for kind in KINDS:
        assigned, warning = assign(kind, [reach.terms[kind] for reach in reaches if kind in reach.terms])
        clauses[kind], more = fitting(kind, assigned)
        report.warnings += [Problem(files[0][0] if files else "", 0, 0, one) for one in (warning, *more) if one]
    for rule in rules:
        report.warnings += lint(rule, clauses)
    return RuleSet(
        rules=tuple(rules),
        clauses=clauses,
        warnings=_told(report.warnings)[1],
        hash=_hash(rules, definitions),
        disabled=tuple(made.disabled),
        left_alone=tuple(made.left_alone),
        wants_images=any(rule.template.wants_images or _tests_images(rule) for rule in rules),
    )


def _tests_images(rule: Rule) -> bool:
    return any(literal.leaf.field.spec.is_of_image for tree in rule.trees.values() for literal in literals(tree))


@dataclass(slots=True)
class _Sorted:
    """The rules that are to run here, as they were read, and the names of the others."""

    rules: list[tuple[Rule, Definition]] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


def _sorted(definitions: Definitions, names: Names, table: AttackTable | None, report: Report) -> _Sorted:
    """Read the rules; nothing is compiled before all of them are known to be without mistake and not too many."""
    made = _Sorted()
    tests = values = 0
    for name, definition in definitions.rules.items():
        source = definition.scalars("source", report)
        if source and source[-1].text != "syscall":
            made.left_alone.append(name)
            report.warnings.append(source[-1].problem(f"{name}: rules of source {source[-1].text!r} are left alone; only syscall runs here"))
        elif definition.truth("enabled", report) is False:
            made.disabled.append(name)
        elif found := compiling.read_rule(definition, names, table, report):
            rule, checked = found
            made.rules.append((rule, definition))
            tests, values = tests + checked.leaves, values + checked.values
            if tests > MAX_SET_TESTS or values > MAX_SET_VALUES:
                has = f"{tests} tests with {values} values, macros and lists expanded; {MAX_SET_TESTS} and {MAX_SET_VALUES} are the most"
                report.problems.append(definition.name.problem(f"the rules up to {name!r} have {has}"))
                break
    return made


def _table(path: Path | None) -> AttackTable | None:
    if path is None:
        return load_table(DEFAULT_TABLE) if DEFAULT_TABLE.exists() else None
    return load_table(path)


def _ids(rules: list[Rule], definitions: Definitions, report: Report) -> None:
    first: dict[str, Rule] = {}
    for rule in rules:
        other = first.setdefault(rule.id, rule)
        if other is not rule:
            place: Definition = definitions.rules[rule.name]
            report.problems.append(place.name.problem(f"the id {rule.id!r} belongs to {other.name!r} ({other.path}:{other.line})"))


def _hash(rules: list[Rule], definitions: Definitions) -> str:
    """Return the hash of what the set says: rules by name, macros and lists."""
    quiet = Report()
    content = {
        "rules": {rule.name: [rule.id, rule.version, rule.priority, rule.condition, rule.output, *rule.attack, *rule.tags, _exceptions(definitions, rule.name)]
                  for rule in rules},
        "macros": {name: [part.text for part in one.scalars("condition", quiet)] for name, one in definitions.macros.items()},
        "lists": {name: [part.text for part in one.items("items", quiet)] for name, one in definitions.lists.items()},
    }  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _exceptions(definitions: Definitions, name: str) -> str:
    from sensor.ruleset.plain import plain  # noqa: PLC0415  # only the hash needs it

    return json.dumps([plain(node) for node in definitions.rules[name].parts.get("exceptions", [])], sort_keys=True)


def _error(problems: list[Problem]) -> DocumentError:
    count, told = _told(problems)
    return DocumentError(
        f"{count} mistake{'s' if count != 1 else ''} in the rules:\n" + "\n".join(map(str, told)), problems=told, hint="scout rules check FILE…"
    )


def _told(problems: list[Problem]) -> tuple[int, tuple[Problem, ...]]:
    """Return how many different problems there are and those that are told, by place."""
    ordered = tuple(dict.fromkeys(sorted(problems)))
    more = len(ordered) - MAX_TOLD
    return len(ordered), ordered if more <= 0 else (*ordered[:MAX_TOLD], Problem(ordered[MAX_TOLD].path, 0, 0, f"and {more} more"))
