# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.core.escape import lossless, raw, shown, visible

HOSTILE = st.one_of(
    st.binary(max_size=64),
    st.lists(st.sampled_from([b"\\", b"x", b"5c", b"\\x41", b"\xff", b"\x1b[31m", b"\n", "\u202e".encode(), "é".encode(), b"u"]), max_size=8).map(b"".join),
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"/etc/shadow", "/etc/shadow"),
        ("/tmp/été".encode(), "/tmp/été"),
        (b"/tmp/\xff", "/tmp/\\xff"),
        (b"a\\nb", "a\\nb"),
        (b"a\\xffb", "a\\x5cxffb"),
        (b"a\nb", "a\nb"),
    ],
)
def test_lossless_keeps_utf8_and_escapes_the_rest(data, text):
    """Text stays as people wrote it; only stray bytes and a backslash that could be mistaken for an escape change."""
    assert lossless(data) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\x1b[2Jb", "a\\x1b[2Jb"),
        (b"a\nb\r\t", "a\\x0ab\\x0d\\x09"),
        ("a\u202egnp.exe".encode(), "a\\xe2\\x80\\xaegnp.exe"),
        (b"\xc2\x9b31m", "\\xc2\\x9b31m"),
        ("a\u200bb\u2028c\u00a0d".encode(), "a\\xe2\\x80\\x8bb\\xe2\\x80\\xa8c\\xc2\\xa0d"),
        (b"\xff\x00\x7f", "\\xff\\x00\\x7f"),
    ],
)
def test_shown_escapes_what_a_terminal_would_obey(data, text):
    """Terminal escapes, newlines, bidirectional overrides, C1 controls and invisible characters become visible bytes."""
    assert shown(data) == text


@given(data=HOSTILE)
def test_shown_text_has_no_control_byte(data):
    """Whatever the bytes, what is shown is printable and its encoding has no C0 byte and no DEL."""
    text = shown(data)
    assert text.isprintable()
    assert all(byte >= 0x20 and byte != 0x7F for byte in text.encode())


@given(data=HOSTILE)
def test_both_forms_are_read_back_exactly(data):
    """Distinct bytes never become the same text: both forms give back the bytes they were made of."""
    assert raw(lossless(data)) == data
    assert raw(shown(data)) == data


def test_visible_stands_a_lone_surrogate():
    """Text that cannot be encoded (a decoder's surrogateescape) is shown, not raised."""
    assert visible("a\udcffb") == "a\\xed\\xb3\\xbfb"
