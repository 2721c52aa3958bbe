# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.adapters.documents import parse
from sensor.ruleset.plain import plain


def test_documents_become_plain_values():
    """Every scalar is a text."""
    assert plain(parse(b"a: [1, {b: true}]\n", "f")[0]) == {"a": ["1", {"b": "true"}]}
