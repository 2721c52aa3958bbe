# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from sensor.core.errors import DocumentError, OffsetsUnknown
from sensor.core.kernel import Kernel
from sensor.probes.offsets.model import Offsets, check
from sensor.probes.offsets.tables import dump, from_file, from_tables
from sensor.probes.offsets.wanted import Wanted

KERNEL = Kernel(release="4.14.177-139.253.amzn2.x86_64", build="#1 SMP Wed Apr 29", machine="x86_64")
WANTED = [Wanted("cred", ("uid",)), Wanted("cred", ("euid",)), Wanted("task_struct", ("loginuid",), optional=True)]
OFFSETS = Offsets(source="btf:x", members={"cred__uid": 4, "cred__euid": 20}, tracepoints={}, missing_optional=())


def written(folder, change=None, name="4.14.177-139.253.amzn2.x86_64.json"):
    """A table in a file, changed by *change* before."""
    document = json.loads(dump(OFFSETS, WANTED, KERNEL))
    if change:
        change(document)
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def test_what_is_dumped_is_read_back(tmp_path):
    """A table made on one boot gives the same macros on the next."""
    found = from_tables(tmp_path, KERNEL) if written(tmp_path) else None
    assert check(found, WANTED) == dict(OFFSETS.members)
    assert found.source == f"table:{tmp_path}/4.14.177-139.253.amzn2.x86_64.json"


@pytest.mark.parametrize("key", ["release", "build", "machine"])
def test_a_table_of_another_kernel_is_refused_unless_named_by_hand(tmp_path, key):
    """Release, build and machine must be this kernel's to the letter."""
    path = written(tmp_path, lambda document: document["kernel"].update({key: "other"}))
    with pytest.raises(OffsetsUnknown):
        from_tables(tmp_path, KERNEL)
    with pytest.raises(OffsetsUnknown, match=f"its {key} is 'other'"):
        from_file(path, KERNEL, by_hand=False)
    assert from_file(path, KERNEL, by_hand=True).members["cred.uid"] == 4


def test_a_broken_table_of_another_release_does_no_harm(tmp_path):
    """Only files that begin with this release are opened."""
    (tmp_path / "3.10.json").write_text("{")
    written(tmp_path)
    assert from_tables(tmp_path, KERNEL).members["cred.euid"] == 20


def test_no_folder_is_no_table(tmp_path):
    """A missing folder is a refusal, not a crash."""
    for folder in (tmp_path / "none", None):
        with pytest.raises(OffsetsUnknown):
            from_tables(folder, KERNEL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(more=1), "unknown key 'more'"),
        (lambda d: d.pop("origin"), "key 'origin' is missing"),
        (lambda d: d.update(format=2), "format is 2"),
        (lambda d: d.update(format=True), "format is True"),
        (lambda d: d["kernel"].update(more=""), "kernel has not exactly the keys"),
        (lambda d: d["kernel"].update(build=""), "kernel.build is not a non-empty string"),
        (lambda d: d.update(members={}), "at least one member"),
        (lambda d: d["members"].update({"cred.uid": "4"}), "'cred.uid' = '4' is no offset"),
        (lambda d: d["members"].update({"cred.uid": 4.0}), "is no offset"),
        (lambda d: d["members"].update({"cred.uid": True}), "is no offset"),
        (lambda d: d["members"].update({"cred.uid": -1}), "is no offset"),
        (lambda d: d["members"].update({"cred.uid": 65_536}), "is no offset"),
    ],
)
def test_mistakes_are_refused_with_the_value(tmp_path, change, said):
    """A table is read like hostile input."""
    path = written(tmp_path, change)
    with pytest.raises(DocumentError) as caught:
        from_file(path, KERNEL, by_hand=True)
    assert said in str(caught.value)
    assert caught.value.problems


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1, "format": 1}', "[" * 100_000, '{"a": NaN}', " " * 300_000])
def test_what_is_no_table_is_refused(tmp_path, text):
    """Not JSON, too long, too deep, a key twice: an error that names the file."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"x\.json"):
        from_file(path, KERNEL, by_hand=True)


def test_a_file_that_is_not_there_is_said(tmp_path):
    """--offsets with a typing mistake."""
    with pytest.raises(DocumentError, match="cannot be read"):
        from_file(tmp_path / "none.json", KERNEL, by_hand=True)
