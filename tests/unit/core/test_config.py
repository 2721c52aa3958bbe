# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from sensor.core.config import FEATURES_VARIABLE, OFFSETS_VARIABLE, ClusterConfig, KernelConfig, RunConfig, kernel_from
from sensor.core.errors import UsageError


def test_the_defaults_are_those_of_the_command_line():
    """Nothing given: the managed rules, every rule, the host in scope, no port, all of the kernel's features."""
    config = RunConfig()
    assert (config.rules, config.policy, config.output, config.host_in_scope, config.status_port, config.watch) == ((), None, "auto", True, 0, True)
    assert (config.cluster.wanted, config.cluster.wait_s) == (False, 2.0)
    assert (config.kernel.features, config.kernel.offsets, config.kernel.strict) == ("all", None, False)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: RunConfig(output="xml"), "xml"),
        (lambda: RunConfig(status_port=-1), "-1"),
        (lambda: RunConfig(status_port=65_536), "65536"),
        (lambda: KernelConfig(features="newest"), "newest"),
        (lambda: ClusterConfig(wait_s=-1), "-1 seconds"),
        (lambda: ClusterConfig(wait_s=float("nan")), "nan seconds"),
        (lambda: ClusterConfig(wait_s=61), "61 seconds"),
    ],
)
def test_a_value_that_cannot_be_is_refused(made, said):
    """With the value, and what there is instead."""
    with pytest.raises(UsageError, match=said) as caught:
        made()
    assert caught.value.hint


@pytest.mark.parametrize("port", [0, 1, 65_535])
def test_ports_at_the_ends_are_ports(port):
    """0 is none."""
    assert RunConfig(status_port=port).status_port == port


def test_a_configuration_does_not_change():
    """It is read once; nobody can turn a knob later and believe that it turned."""
    with pytest.raises(FrozenInstanceError):
        RunConfig().output = "json"


def test_what_is_given_by_hand_wins_over_the_environment():
    """The environment is for tests and strange kernels; an empty variable is none."""
    environment = {FEATURES_VARIABLE: "oldest", OFFSETS_VARIABLE: "/e.json"}
    assert (kernel_from(environment).features, kernel_from(environment).offsets) == ("oldest", Path("/e.json"))
    by_hand = kernel_from(environment, features="all", offsets=Path("/h.json"), strict=True, dump="/d")
    assert (by_hand.features, by_hand.offsets, by_hand.strict, by_hand.dump) == ("all", Path("/h.json"), True, "/d")
    empty = kernel_from({FEATURES_VARIABLE: "", OFFSETS_VARIABLE: ""})
    assert (empty.features, empty.offsets) == ("all", None)


def test_a_mistake_in_the_environment_is_refused():
    """Never a silent fall-back."""
    with pytest.raises(UsageError, match="4\\.14"):
        kernel_from({FEATURES_VARIABLE: "4.14"})
