# SPDX-License-Identifier: Apache-2.0

import struct

import pytest

from sensor.events.spec import Field, Scalar


@pytest.mark.parametrize("scalar", Scalar)
def test_a_scalar_has_the_size_of_its_struct_code(scalar):
    """A scalar's bytes, its C name and its letter for `struct` agree."""
    assert struct.calcsize(f"<{scalar.code}") == scalar.size_bytes
    assert int(scalar.c_name[1:]) == 8 * scalar.size_bytes
    assert (scalar.c_name[0] == "s") == scalar.code.islower()


def test_a_field_is_as_long_as_its_elements():
    """An array's size is its count times the element's."""
    assert Field(name="x", scalar=Scalar.U32, count=4).size_bytes == 16
    assert Field(name="x").size_bytes == 1
