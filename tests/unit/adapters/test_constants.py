# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sensor.adapters import constants

GOOD = "b700000080090000" + "9500000000000000"


def test_each_expression_stands_on_a_line_of_its_own():
    """The compiler's messages name the line, and the line names the expression."""
    text = constants.unit_text("#include <a.h>", ["1 + 1", "sizeof(int)"])
    assert text.splitlines()[1:] == ['#line 1 "scout_constants"', "int m0(void *ctx) { return 1 + 1; }", "int m1(void *ctx) { return sizeof(int); }"]


def test_a_constant_is_the_immediate_of_its_one_instruction():
    """r0 = 2432; exit."""
    assert constants.value_of(bytes.fromhex(GOOD)) == 2432


@pytest.mark.parametrize("code", ["", GOOD[:16], GOOD + "9500000000000000", "bf" + GOOD[2:], "b701" + GOOD[4:], GOOD[:-2] + "01"])
def test_other_code_is_no_constant(code):
    """What clang did not fold is not guessed at."""
    assert constants.value_of(bytes.fromhex(code)) is None


def run_with(monkeypatch, *outcomes):
    """Let the child end as told, one outcome a call; returns the requests it got."""
    requests, left = [], iter(outcomes)

    def run(argv, **given):
        requests.append(json.loads(given["input"]))
        status, out, err = next(left)
        return subprocess.CompletedProcess(argv, status, json.dumps(out).encode(), err.encode())

    monkeypatch.setattr(constants.subprocess, "run", run)
    return requests


def test_refused_expressions_are_left_out_and_the_rest_is_asked_again(monkeypatch):
    """One unknown member does not cost the others."""
    words = "noise\nscout_constants:2:30: error: no member named 'x'\nmore"
    requests = run_with(monkeypatch, (1, None, words), (0, [8, 16], ""))
    found = constants.evaluate("", ["a", "b", "c"], source=Path("s"), build=Path("b"))
    assert found.values == {"a": 8, "c": 16}
    assert found.refused == {"b": "no member named 'x'"}
    assert [request["count"] for request in requests] == [3, 2]


def test_headers_that_do_not_compile_give_clangs_words(monkeypatch):
    """An error outside our lines is told whole."""
    run_with(monkeypatch, (1, None, "linux/sched.h:1:1: error: bad"))
    found = constants.evaluate("", ["a"], source=Path("s"), build=Path("b"))
    assert not found.values
    assert "sched.h:1:1" in found.diagnostics
