# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import typing

import pytest

from contract import finding
from tests.unit.contract.schema_check import check
from tests.unit.finding_factory import make_finding


@pytest.mark.parametrize("kind", ["open", "exec", "connect", "flood"])
@pytest.mark.parametrize("container", [False, True])
def test_a_built_finding_is_what_the_schema_says(kind, container):
    """Every kind's finding, on the host and in a container, has every member of the schema, in its order, and no other."""
    check(make_finding(kind, container=container))


def test_the_check_itself_can_fail():
    """A missing member, an unknown one and a wrong type are noticed."""
    good = make_finding()
    for bad in ({**good, "more": 1}, {key: good[key] for key in good if key != "node"}, {**good, "ts_ns": "1"}, {**good, "severity": "bad"}):
        with pytest.raises(AssertionError):
            check(bad)


def test_the_lists_of_words_are_the_types_words():
    """SEVERITIES and MITIGATIONS are the values of their types, in order."""
    assert typing.get_args(finding.Severity) == finding.SEVERITIES
    assert typing.get_args(finding.Mitigation) == finding.MITIGATIONS
