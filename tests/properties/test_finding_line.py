# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.line import LINE_BYTES, to_line
from sensor.core.escape import raw
from sensor.events.common import ASKED_BYTES, CMDLINE_BYTES, PATH_BYTES, FrameFlag
from tests.unit.contract.schema_check import check
from tests.unit.finding_factory import make_finding

DEAR = st.sampled_from([b"\x01", b"\xff", b"a", "é".encode(), "\u202e".encode(), "\U000e0001".encode(), b'"', b"\\", b"\\x", b"\x7f", b"/", b"\0"])
"""Bytes that grow when they are written, each in its own way."""


def texts(most):
    """Byte strings up to *most* bytes, short and random or long and dear."""
    long = st.tuples(st.lists(DEAR, min_size=1, max_size=4).map(b"".join), st.integers(1, most)).map(lambda pair: (pair[0] * most)[: pair[1]])
    return st.one_of(st.binary(max_size=40), long)


@settings(max_examples=120, deadline=None)
@given(
    path=texts(PATH_BYTES),
    asked=texts(ASKED_BYTES),
    fs_path=texts(PATH_BYTES),
    cmdline=texts(CMDLINE_BYTES),
    cwd=texts(PATH_BYTES),
    exe_path=texts(PATH_BYTES),
    comm=texts(15).map(lambda name: name.split(b"\0")[0]),
    flags=st.integers(0, 2**18 - 1),
)
def test_any_frame_makes_one_line_that_reads_back(flags, **texts_of):
    """
    Whatever bytes a frame holds, its finding is one printable line within the limit, valid by the schema, with the act's path intact.

    Paths with the shape of a secret are not made here, so the path's bytes can be had back.
    """
    finding = make_finding("open", flags=flags | FrameFlag.FS_PATH, **texts_of)
    line, was_cut = to_line(finding)
    assert len(line) <= LINE_BYTES
    assert line.decode().removesuffix("\n").isprintable()
    read = json.loads(line)
    check(read)
    assert raw(read["act"]["path"]) == texts_of["path"]
    assert raw(read["process"]["name"]) == texts_of["comm"]
    assert read["process"]["cmdline"] or not finding["process"]["cmdline"]
    assert was_cut == (read != finding)
    assert (was_cut and set(read["cut"]) > set(finding["cut"])) or read == finding
