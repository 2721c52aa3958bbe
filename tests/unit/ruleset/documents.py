# SPDX-License-Identifier: Apache-2.0
"""Rule sets for tests, from texts."""

from __future__ import annotations

import pytest

from sensor.core.errors import DocumentError
from sensor.ruleset.load import load_texts

RULE = """
- rule: {name}
  desc: d
  condition: {condition}
  output: {output}
  priority: {priority}
"""


def rule(condition, name="r", priority="WARNING", output="'out %proc.name'", more=""):
    """Return a rule's document; *more* is further keys, indented by two."""
    return RULE.format(name=name, condition=condition, output=output, priority=priority) + more


def loaded(*texts):
    """Return the set of files a.yaml, b.yaml, …; no root's links are followed."""
    return load_texts([(f"{chr(97 + at)}.yaml", text.encode()) for at, text in enumerate(texts)], closures=lambda _path: ())


def problems(*texts):
    """Return the problems of a set that is refused."""
    with pytest.raises(DocumentError) as caught:
        loaded(*texts)
    return list(caught.value.problems)
