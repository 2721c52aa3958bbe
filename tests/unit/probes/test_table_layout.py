# SPDX-License-Identifier: Apache-2.0
"""One layout of the block of tables for C and Python."""

from __future__ import annotations

import subprocess

import pytest

from sensor.events.dimensions import Dimension
from sensor.probes import table_layout as layout


def test_the_header_is_current(tmp_path, monkeypatch, capsys):
    """The generated header is the one on disk; another one is told."""
    assert layout.HEADER_PATH.read_text() == layout.header()
    assert layout.main(["--check"]) == 0
    monkeypatch.setattr(layout, "HEADER_PATH", tmp_path / "gen_tables.h")
    assert layout.main(["--check"]) == 1
    assert "gen_tables.h is not current" in capsys.readouterr().err
    assert layout.main([]) == 0
    assert layout.main(["--check"]) == 0


def test_every_dimension_has_its_needs():
    """Each dimension has a mask of the clauses that need it, each named one a default."""
    names = {array.name for array in layout.ARRAYS}
    assert {f"needs_{dimension.value}" for dimension in Dimension} <= names
    assert {f"other_{dimension.value}" for dimension in (*layout.NAMED, Dimension.PATH, Dimension.ADDRESS)} <= names
    assert len(names) == len(layout.ARRAYS)


def test_an_array_that_is_not_there():
    """Asking for an unknown array is an error."""
    with pytest.raises(KeyError):
        layout.array_at("nothing")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A C program that tells sizes, offsets and prints as bpf/include has them."""
    folder = tmp_path_factory.mktemp("layout")
    lines = [f'printf("{array.name} %zu\\n", offsetof(struct clause_table, {array.name}));' for array in layout.ARRAYS]
    (folder / "main.c").write_text(
        f"""
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;
#undef __always_inline
#define __always_inline inline
#include "masks.h"
int main(int argc, char **argv)
{{
	{" ".join(lines)}
	printf("size %zu\\n", sizeof(struct clause_table));
	for (int i = 1; i < argc; i++) {{
		char room[64] = {{}};
		u64 word;
		u32 bytes = strlen(argv[i]);
		memset(room, 'x', 16); /* what lies behind a name in the kernel */
		memcpy(room, argv[i], bytes + 1);
		memcpy(&word, room, 8);
		word = first_eight(word, bytes);
		printf("%s %u %u\\n", argv[i], name_print(word, bytes, LEAF_PRINT_BITS), name_print(word, bytes, DIRECTORY_PRINT_BITS));
	}}
}}
"""
    )
    command = ["gcc", "-O1", "-Wno-unused-function", "-I", layout.HEADER_PATH.parent, "-o", folder / "main", folder / "main.c"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "main"


NAMES = ["s", "sh", "shadow", "1234567", "12345678", "123456789", "a-name-of-thirty-one-characters", "authorized_keys"]


def test_c_has_the_same_offsets_and_prints(compiled):
    """Every array where Python puts it, and every name in the same bucket."""
    words = [line.split() for line in subprocess.run([compiled, *NAMES], check=True, capture_output=True, text=True).stdout.splitlines()]
    assert {name: int(at) for name, at in words[: len(layout.ARRAYS)]} == {array.name: layout.array_at(array.name) for array in layout.ARRAYS}
    assert words[len(layout.ARRAYS)] == ["size", str(layout.BLOCK_BYTES)]
    for name, leaf, directory in words[len(layout.ARRAYS) + 1 :]:
        assert int(leaf) == layout.name_print(name.encode(), layout.PRINT_BITS["leaf_print"])
        assert int(directory) == layout.name_print(name.encode(), layout.PRINT_BITS["directory_print"])
