# SPDX-License-Identifier: Apache-2.0

import re
import subprocess

import pytest

from sensor.events import cheader, layout
from sensor.events.registry import KINDS

STRUCTS = {"frame_common": (layout.COMMON, 0)} | {f"{spec.name}_fields": (layout.own(spec), layout.COMMON_BYTES) for spec in KINDS}

TYPES = """
#include <stddef.h>
#include <stdio.h>
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
typedef int s32; typedef long long s64;
"""


def test_a_c_compiler_places_members_where_the_decoder_reads_them(tmp_path):
    """Offset and size of every member in the generated structures, as gcc lays them out, are those of the layout."""
    lines = [
        f'printf("{struct}.{member.field.name} %zu %zu\\n", offsetof(struct {struct}, {member.field.name}) + {start}, '
        f"sizeof(((struct {struct} *)0)->{member.field.name}));"
        for struct, (placed, start) in STRUCTS.items()
        for member in placed
    ]
    ends = [f'printf("{struct} %zu\\n", sizeof(struct {struct}) + {start});' for struct, (_, start) in STRUCTS.items()]
    source = TYPES + cheader.header().replace("#pragma once\n", "") + "int main(void) {\n" + "\n".join(lines + ends) + "\nreturn 0; }\n"
    program = tmp_path / "offsets"
    subprocess.run(["gcc", "-Wall", "-Werror", "-Wpadded", "-x", "c", "-", "-o", program], input=source, text=True, check=True, timeout=30)
    told = subprocess.run([program], capture_output=True, text=True, check=True, timeout=10).stdout.splitlines()
    expected = [f"{struct}.{member.field.name} {member.at} {member.field.size_bytes}" for struct, (placed, _) in STRUCTS.items() for member in placed]
    expected += [f"{struct} {layout.end_of(placed, start)}" for struct, (placed, start) in STRUCTS.items()]
    assert told == expected


def test_every_constant_is_a_macro_once():
    """Kinds, lanes, flags, losses and limits are macros, none twice."""
    names = re.findall(r"^#define (\w+)", cheader.header(), re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"EVENT_OPEN", "LANE_RESERVED", "FRAME_PATH_CUT", "LOSS_RING_FULL_COMMON", "LOSSES", "COMM_BYTES", "TAILS_AT"} <= set(names)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(cheader, "HEADER_PATH", tmp_path / "gen_events.h")
    return tmp_path / "gen_events.h"


def test_a_stale_header_is_seen(path, capsys):
    """``--check`` fails on a missing and on a stale header, names the command, and passes after it."""
    assert cheader.main(["--check"]) == 1
    assert cheader.main([]) == 0
    assert cheader.main(["--check"]) == 0
    path.write_text(path.read_text() + "\n")
    assert cheader.main(["--check"]) == 1
    assert "run `python -m sensor.events.cheader`" in capsys.readouterr().err


def test_the_hash_follows_the_layout(monkeypatch):
    """Recordings made with another layout are told by the hash."""
    before = cheader.spec_hash()
    assert re.fullmatch("[0-9a-f]{16}", before)
    monkeypatch.setattr(layout, "TAILS_AT", layout.TAILS_AT + 8)
    assert cheader.spec_hash() != before
