# SPDX-License-Identifier: Apache-2.0
"""The kernel matrix: what is committed loads, and what is wrong is refused with its place."""

from __future__ import annotations

import textwrap

import pytest

from kernels.matrix import MATRIX, MatrixError, load_matrix

GOOD = """\
schema: 1
kernels:
  - id: one
    source: debian
    suite: bullseye
    package: linux-image-5.10.*-cloud-amd64
    family: debian
    release: "5.10"
    transport: ringbuf
    btf: true
    ci: true
    stands_for: nodes
"""


def problems_of(text: str) -> list[str]:
    """What the loader says about *text*."""
    with pytest.raises(MatrixError) as caught:
        load_matrix(text, "m.yaml")
    return caught.value.problems


def test_the_committed_matrix_loads_and_ci_boots_debian_11():
    """CI has a kernel to boot, and it is Debian 11's 5.10 with a ring buffer and BTF."""
    kernel = load_matrix(MATRIX.read_text(), MATRIX.name).kernel("debian-11")
    assert (kernel.release, kernel.transport, kernel.btf, kernel.ci) == ("5.10", "ringbuf", True, True)


def test_all_mistakes_are_told_at_once_with_their_places():
    """Three mistakes in one document are three messages, each with line and column."""
    text = GOOD.replace("btf: true", "btf: yes please").replace("transport: ringbuf", "transport: pigeon").replace("schema: 1", "schema: 2")
    found = problems_of(text)
    assert [problem.split(": ")[0] for problem in found] == ["m.yaml:1:9", "m.yaml:9:16", "m.yaml:10:10"]
    assert "'pigeon'" in found[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    suite: bullseye\n", "", "lacks the field 'suite'"),
        ("    ci: true\n", "    ci: true\n    colour: red\n", "unknown field 'colour'"),
        ("    ci: true\n", "    ci: true\n    ci: true\n", "'ci' stands twice"),
        ('release: "5.10"', "release: 5.10", "release must be text"),
        ("id: one", "id: One!", "does not look like one"),
        ("package: linux-image-5.10.*-cloud-amd64", "package: bash", "does not look like one"),
        ("btf: true", "btf: on", "btf must be true or false"),
        ("source: debian", "source: http", "may be debian"),
        ("stands_for: nodes", "stands_for: [a, b]", "must be text"),
        ("schema: 1\n", "", "lacks the field 'schema'"),
        (GOOD.partition("kernels:")[2], " []\n", "at least one entry"),
        ("schema: 1\n", "schema: [\n", "m.yaml:"),
    ],
)
def test_a_mistake_is_refused(old: str, new: str, message: str):
    """Each way a field can be wrong is an error that says which and where."""
    assert old in GOOD
    assert any(message in problem for problem in problems_of(GOOD.replace(old, new)))


def test_an_id_stands_once():
    """Two entries with one id are an error: results are told apart by it."""
    entry = GOOD.partition("kernels:\n")[2]
    assert any("'one' stands twice" in problem for problem in problems_of(GOOD + entry))


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n"])
def test_a_document_of_another_shape_is_refused(text: str):
    """An empty document, a list and a scalar are errors, not crashes."""
    assert problems_of(textwrap.dedent(text))


def test_an_unknown_id_names_those_there_are():
    """Asking for a kernel the matrix does not have says which it has."""
    with pytest.raises(MatrixError, match="it has one"):
        load_matrix(GOOD, "m.yaml").kernel("two")
