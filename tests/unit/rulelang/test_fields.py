# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang import fields
from sensor.rulelang.values import Unknown
from tests.unit.events_factory import make_event


@pytest.mark.parametrize("kind", fields.KINDS)
def test_every_field_can_be_read_from_its_kinds(kind):
    """A getter returns a value of the field's type, and missing or unknown only where the table says so."""
    event = make_event(kind)
    kinds = {fields.TEXT: bytes, fields.NUMBER: int, fields.TRUTH: bool, fields.ADDRESS: tuple}
    for spec in [*fields.FIELDS.values(), *fields.ARGUMENTS.values()]:
        if not spec.filled or kind not in spec.kinds or spec.get is None:
            continue
        value = spec.get(event)
        assert value is not None or spec.missing, spec.name
        assert not isinstance(value, Unknown) or spec.unknowable, spec.name
        for one in value if spec.many and isinstance(value, tuple) else [value]:
            assert one is None or isinstance(one, (kinds[spec.type], Unknown)), spec.name


def test_arguments_are_found_in_both_spellings():
    """evt.arg.flags and evt.arg[flags] are one; others are known and not filled."""
    assert fields.find("evt.arg.flags", None) == fields.find("evt.arg", "flags")
    assert fields.find("evt.arg.flags", None)[0].filled
    assert not fields.find("evt.arg.newpath", None)[0].filled
    assert fields.find("k8s.pod.label.app", None) == (fields.FIELDS["k8s.pod.label"], "app")
    assert fields.find("proc.nmae", None) is None


def test_every_field_is_documented():
    """Filled fields say what they are."""
    assert all(spec.doc for spec in fields.FIELDS.values())


def test_what_falco_knows_is_known():
    """Fields that rules in the wild print and test."""
    for name in ("proc.env", "container.image.id", "fd.sip.name", "evt.is_io_write", "proc.is_exe_upper_layer", "k8s.ns.label"):
        assert not fields.FIELDS[name].filled
