# SPDX-License-Identifier: Apache-2.0

from sensor.events.losses import Loss


def test_losses_are_the_places_of_an_array():
    """Each reason is an index of the kernel's counters: from 0, without a gap."""
    assert [loss.value for loss in Loss] == list(range(len(Loss)))


def test_each_lane_has_its_reasons():
    """A full ring and an empty bucket are counted for each lane."""
    names = {loss.name for loss in Loss}
    assert {f"{what}_{lane}" for what in ("RING_FULL", "BUCKET") for lane in ("COMMON", "RESERVED")} <= names
