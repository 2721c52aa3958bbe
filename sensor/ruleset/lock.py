# SPDX-License-Identifier: Apache-2.0
"""
The lock of the managed rules: an id is permanent, and a condition that changes raises its version.

``rules/lock.json`` has, per id, the version and the hash of the condition as
it is meant (macros and lists expanded), so that a change in a shared list
counts as a change of the rules that use it. Ids that were given once stay in
the lock for ever. ``python -m sensor.ruleset.lock`` writes it anew.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.core.errors import DocumentError
from sensor.core.problems import Problem
from sensor.rulelang.show import condition_text
from sensor.ruleset.load import load

if TYPE_CHECKING:
    from sensor.ruleset.model import Rule, RuleSet

RULES = Path(__file__).resolve().parents[2] / "rules"

Lock = dict[str, dict[str, str | int]]


def condition_hash(rule: Rule) -> str:
    """Return the hash of what the rule's condition means, as the documents say it (no links followed)."""
    return hashlib.sha256(condition_text(rule.checked).encode("utf-8", "surrogatepass")).hexdigest()


def read_lock(path: Path) -> Lock:
    """
    Read the lock; a file that is not there is an empty one.

    Raises:
        DocumentError: it is not what it should be.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(rule): {"version": int(one["version"]), "condition": str(one["condition"])} for rule, one in content["rules"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = Problem(str(path), 0, 0, f"cannot be read as a lock: {error}")
        raise DocumentError(str(problem), problems=(problem,)) from error


def differences(ruleset: RuleSet, lock: Lock) -> list[Problem]:
    """Return what the lock forbids, and what it does not have yet."""
    out = []
    here = {rule.id: rule for rule in ruleset.rules}
    for rule in ruleset.rules:
        locked = lock.get(rule.id)
        if locked is None:
            out.append(Problem(rule.path, rule.line, 1, f"{rule.id} is not in the lock", "", "run `python -m sensor.ruleset.lock`"))
        elif int(locked["version"]) > rule.version:
            out.append(Problem(rule.path, rule.line, 1, f"{rule.id} has version {rule.version}, the lock has {locked['version']}: versions only rise"))
        elif locked["condition"] != condition_hash(rule) and int(locked["version"]) == rule.version:
            out.append(Problem(rule.path, rule.line, 1, f"the condition of {rule.id} changed and its version ({rule.version}) did not", "", "raise version"))
    out += [Problem("lock.json", 0, 0, f"{rule} is in the lock and not among the rules; ids are permanent") for rule in lock if rule not in here]
    return out


def lock_text(ruleset: RuleSet, lock: Lock) -> str:
    """
    Return the lock's new content.

    Raises:
        DocumentError: for what the lock forbids; a rule that is new, or whose version was raised, is no such thing.
    """
    forbidden = [problem for problem in differences(ruleset, lock) if not problem.message.endswith("is not in the lock")]
    if forbidden:
        raise DocumentError("\n".join(map(str, forbidden)), problems=tuple(forbidden))
    rules = {rule.id: {"version": rule.version, "condition": condition_hash(rule)} for rule in ruleset.rules}
    return json.dumps({"rules": dict(sorted({**lock, **rules}.items()))}, indent=2) + "\n"


def main(rules: Path = RULES) -> None:
    """Write the lock of the rules in *rules* anew. Raises DocumentError for what the lock forbids."""
    path = rules / "lock.json"
    path.write_text(lock_text(load([rules]), read_lock(path)), encoding="utf-8")


if __name__ == "__main__":
    main()
