# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import pytest

from sensor.adapters.btf import Btf, libbpf_version
from sensor.core.errors import KernelUnsupported

pytestmark = pytest.mark.skipif(not libbpf_version(), reason="libbpf 1.x is not installed")

INT, PTR, STRUCT, UNION, ENUM, TYPEDEF, CONST = 1, 2, 4, 5, 6, 8, 10


class Builder:
    """A BTF file made by hand; types are numbered from 1 in the order they are added."""

    def __init__(self):
        self.strings, self.types, self.count = b"\0", b"", 0

    def name(self, text: str) -> int:
        if not text:
            return 0
        at = len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def add(self, name, kind, *, vlen=0, flag=0, size_or_type=0, rest=b""):
        self.types += struct.pack("<III", self.name(name), flag << 31 | kind << 24 | vlen, size_or_type) + rest
        self.count += 1
        return self.count

    def integer(self, name, size):
        return self.add(name, INT, size_or_type=size, rest=struct.pack("<I", size * 8))

    def record(self, name, size, members, kind=STRUCT, *, bit_fields=False):
        rest = b"".join(struct.pack("<III", self.name(member), type_id, position) for member, type_id, position in members)
        return self.add(name, kind, vlen=len(members), flag=int(bit_fields), size_or_type=size, rest=rest)

    def data(self) -> bytes:
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


@pytest.fixture
def btf(tmp_path):
    """A file with one of each thing that offsets have to be found through."""
    made = Builder()
    u32 = made.integer("u32", 4)
    path = made.record("path", 16, [("mnt", u32, 0), ("dentry", u32, 64)])
    alias = made.add("path_t", TYPEDEF, size_or_type=path)
    const = made.add("", CONST, size_or_type=alias)
    inner = made.record("", 8, [("len", u32, 32), ("hash", u32, 0)])
    union = made.record("", 8, [("", inner, 0), ("hash_len", u32, 0)], UNION)
    made.record("file", 48, [("f_mode", u32, 0), ("f_path", const, 128), ("", union, 256)])
    made.record("sock", 16, [("flag", u32, 1 << 24 | 64), ("plain", u32, 32), ("eight", u32, 8 << 24 | 72)], bit_fields=True)
    values = b"".join(struct.pack("<Ii", made.name(name), value) for name, value in (("first_id", 0), ("last_id", -2)))
    made.add("an_id", ENUM, vlen=2, size_or_type=4, rest=values)
    file = tmp_path / "vmlinux"
    file.write_bytes(made.data())
    with Btf(file) as opened:
        yield opened


@pytest.mark.parametrize(("member", "offset"), [("f_mode", 0), ("f_path", 16), ("f_path.dentry", 24), ("len", 36), ("hash", 32), ("hash_len", 32)])
def test_members_are_found_through_typedefs_qualifiers_and_anonymous_parts(btf, member, offset):
    """A dotted path descends into embedded structs; members of anonymous ones belong to the outer one."""
    assert btf.offset("file", member) == offset


@pytest.mark.parametrize(("struct_name", "member"), [("file", "nope"), ("file", "f_path.nope"), ("file", "f_mode.x"), ("nope", "x"), ("path_t", "mnt")])
def test_what_is_not_there_is_none(btf, struct_name, member):
    """A missing structure or member is an answer, not an error, and never a number."""
    assert btf.offset(struct_name, member) is None


def test_a_bit_field_is_no_member(btf):
    """Bit fields have no byte offset even where they begin on a byte: C cannot read them by one."""
    assert btf.offset("sock", "flag") is None
    assert btf.offset("sock", "eight") is None
    assert btf.offset("sock", "plain") == 4


def test_a_missing_file_is_told_from_a_broken_one(tmp_path):
    """No file means a kernel without BTF; a file that is not BTF is an error that names it too."""
    with pytest.raises(KernelUnsupported, match=r"has no .*none"):
        Btf(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"not btf")
    with pytest.raises(KernelUnsupported, match="bad"):
        Btf(tmp_path / "bad")


def test_closing_twice_is_harmless(btf):
    """The context manager and a caller may both close."""
    btf.close()
    btf.close()


@pytest.mark.parametrize(("enum", "name", "value"), [("an_id", "first_id", 0), ("an_id", "last_id", -2), ("an_id", "x", None), ("x", "first_id", None)])
def test_enumerators_have_their_values(btf, enum, name, value):
    """The place of a cgroup controller in css_set.subsys is one."""
    assert btf.enumerator(enum, name) == value
