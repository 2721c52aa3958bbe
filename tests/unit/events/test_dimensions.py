# SPDX-License-Identifier: Apache-2.0

from dataclasses import FrozenInstanceError

import pytest

from sensor.events.dimensions import CLAUSE_BITS, NAME_BYTES, PATTERN_BYTES, Clause, Constraint, Dimension, Outcome, Profile


def test_cheap_dimensions_are_asked_first():
    """The order of the dimensions is that of the kernel's stages: the outcome first, the path's walk last."""
    order = list(Dimension)
    assert order[0] is Dimension.OUTCOME
    assert order[-1] is Dimension.PATH
    assert order.index(Dimension.LEAF) < order.index(Dimension.PROFILE) < order.index(Dimension.COMM) < order.index(Dimension.DIRECTORY)


def test_an_unlisted_workload_is_unknown():
    """The value of a cgroup that nobody entered, 0, is the one that keeps every clause."""
    assert Profile(0) is Profile.UNKNOWN
    assert Outcome(0) is Outcome.SUCCEEDED


def test_limits_fit_the_kernels_keys():
    """A name with its NUL is 32 bytes, a pattern's key is below half of 4.14's 512-byte stack, rules and the two canaries fill the mask's four words."""
    assert NAME_BYTES + 1 == 32
    assert 4 + PATTERN_BYTES + 1 < 256
    assert CLAUSE_BITS + 2 == 4 * 64


def test_clauses_cannot_change():
    """A clause is a value: tables of two generations may share it."""
    clause = Clause(kind="open", constraints=(Constraint(Dimension.LEAF, (b"shadow",)),), rules=("r",))
    assert (clause.exact, clause.high, clause.constraints[0].negated) == (False, False, False)
    assert hash(clause) == hash(Clause(kind="open", constraints=(Constraint(Dimension.LEAF, (b"shadow",)),), rules=("r",)))
    with pytest.raises(FrozenInstanceError):
        clause.kind = "exec"
