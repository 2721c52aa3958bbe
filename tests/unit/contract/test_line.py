# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json

import pytest

from contract.line import LINE_BYTES, to_line
from tests.unit.contract.schema_check import check
from tests.unit.finding_factory import make_finding, make_rule


def test_an_ordinary_finding_is_its_own_json():
    """Nothing is changed, nothing is marked, one newline at the end."""
    finding = make_finding()
    line, was_cut = to_line(finding)
    assert not was_cut
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert json.loads(line) == finding


def test_what_does_not_print_is_a_json_escape():
    """Terminal escapes, C1 controls, bidirectional overrides and astral characters that do not print are escaped, and read back."""
    finding = make_finding(path="/tmp/\x1b[2J\u009b\u202e\U000e0001é😀")
    line, _ = to_line(finding)
    text = line.decode().removesuffix("\n")
    assert text.isprintable()
    assert "\\u001b[2J\\u009b\\u202e\\udb40\\udc01é😀" in text
    assert json.loads(line) == finding


def longest():
    """A finding whose every text is as long as frames allow and as dear as JSON can make it."""
    finding = make_finding(
        "open",
        rule=make_rule(render=lambda _: "\x07" * 5_000, tags=("t" * 500,) * 20, attack=("T" * 100,) * 20),
        path=b"/" + b"\x01" * 1023,
        asked=b"\x02" * 512,
        fs_path=b"\x03" * 1024,
        cmdline=b"\x04\0" * 1024,
        cwd=b"\x05" * 1024,
        exe_path=b"\x06" * 1024,
        comm=b"\x08" * 15,
        flags=(1 << 18) - 1,
        ancestors=tuple((1, b"\x09" * 15) for _ in range(8)),
        cap_effective=(1 << 64) - 1,
        cap_permitted=(1 << 64) - 1,
        container=True,
    )
    return finding | {"pod": {"name": "p" * 253, "uid": "u" * 64, "labels": {"k" * 300 + str(at): "\x01" * 63 for at in range(64)}, "owner": None}}


def test_the_longest_finding_fits_and_keeps_what_matters():
    """It is cut to one line that still has the process's name, a command line and the whole resolved path, and says what was cut."""
    finding = longest()
    before = copy.deepcopy(finding)
    line, was_cut = to_line(finding)
    read = json.loads(line)
    assert was_cut
    assert len(line) <= LINE_BYTES
    assert finding == before
    check(read)
    assert read["process"]["name"] == finding["process"]["name"]
    assert read["act"]["path"] == finding["act"]["path"]
    assert finding["process"]["cmdline"].startswith(read["process"]["cmdline"])
    assert len(read["process"]["cmdline"]) > 100
    assert {"process.args", "process.cmdline", "output", "pod.labels"} <= set(read["cut"])


def test_long_names_from_documents_cannot_break_the_limit():
    """Even when every other text is absurd the line fits, and the path of the act is still there."""
    finding = longest()
    for name in ("policy", "ruleset", "definition", "cluster", "node", "namespace"):
        finding[name] = "\x01" * 20_000
    finding["rule"] = {**finding["rule"], "name": "\x01" * 20_000, "id": "\x01" * 20_000}
    line, _ = to_line(finding)
    read = json.loads(line)
    assert len(line) <= LINE_BYTES
    assert read["act"]["path"] == finding["act"]["path"]
    assert "node" in read["cut"]


@pytest.mark.parametrize("size", range(2_040, 2_050))
def test_an_escape_is_never_cut_in_two(size):
    r"""A shortened text ends before a ``\xHH`` or behind it."""
    finding = make_finding(
        rule=make_rule(render=lambda _: "x" * 4_000), cmdline=b"a" * (size - 2_000) + b"\xff" * 2_000, exe_path=b"\xff" * 1024, cwd=b"\xff" * 1024
    )
    read = json.loads(to_line(finding)[0])
    assert read["process"]["cmdline"].lstrip("a").replace("\\xff", "") == ""
    assert "process.cmdline" in read["cut"]
