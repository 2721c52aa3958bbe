# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tarfile

import pytest

from sensor.adapters.constants import Constants
from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.headers import from_headers
from sensor.probes.offsets.wanted import Wanted

RELEASE = "5.4.0-204-generic"
WANTED = [Wanted("task_struct", ("start_boottime", "real_start_time")), Wanted("sock", ("sk_protocol",), optional=True)]


class FakeCompiler:
    """Knows some expressions, refuses the others, remembers where it was told to look."""

    def __init__(self, values, diagnostics=""):
        self.values, self.diagnostics, self.trees = values, diagnostics, []

    def __call__(self, includes, expressions, *, source, build):
        self.trees.append((source, build))
        refused = {expression: "no member" for expression in expressions if expression not in self.values}
        return Constants(values=self.values, refused=refused, diagnostics=self.diagnostics)


KNOWS_OLD_NAME = {"__builtin_offsetof(struct task_struct, real_start_time)": 1704}


def headers_in(folder, release=RELEASE):
    """A tree of headers that says which release it is of."""
    (folder / "include/generated").mkdir(parents=True)
    (folder / "include/generated/utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
    return folder


def test_installed_headers_answer_with_either_spelling(tmp_path):
    """The old name's value goes under the first name; a refused optional member is left out."""
    build = headers_in(tmp_path / RELEASE / "build")
    compiler = FakeCompiler(KNOWS_OLD_NAME)
    found = from_headers(WANTED, RELEASE, modules=tmp_path, evaluator=compiler)
    assert found.members == {"task_struct.start_boottime": 1704}
    assert found.source == f"headers:{build}"
    assert compiler.trees == [(build, build)]


def test_debians_split_tree_is_read_from_both_halves(tmp_path):
    """Where ``source`` stands beside ``build``, the plain headers are there."""
    build = headers_in(tmp_path / RELEASE / "build")
    (tmp_path / RELEASE / "source/include").mkdir(parents=True)
    compiler = FakeCompiler(KNOWS_OLD_NAME)
    from_headers(WANTED, RELEASE, modules=tmp_path, evaluator=compiler)
    assert compiler.trees == [(tmp_path / RELEASE / "source", build)]


def test_headers_of_another_kernel_are_refused(tmp_path):
    """A stale mount of /lib/modules must not answer for this kernel."""
    headers_in(tmp_path / RELEASE / "build", "5.4.0-1-generic")
    with pytest.raises(OffsetsUnknown, match=r"headers of 5\.4\.0-1-generic, the kernel is 5\.4\.0-204-generic"):
        from_headers(WANTED, RELEASE, modules=tmp_path, evaluator=FakeCompiler(KNOWS_OLD_NAME))


def test_the_kernels_own_archive_is_unpacked_and_asked(tmp_path):
    """kheaders.tar.xz serves where nothing is installed, and what was unpacked is gone afterwards."""
    archive = tmp_path / "kheaders.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(headers_in(tmp_path / "tree"), arcname=".")
    compiler = FakeCompiler(KNOWS_OLD_NAME)
    found = from_headers(WANTED, RELEASE, modules=tmp_path / "none", kheaders=archive, evaluator=compiler)
    assert found.source == f"kheaders:{archive}"
    assert found.members == {"task_struct.start_boottime": 1704}
    assert not compiler.trees[0][0].exists()


def test_an_archive_that_leads_outside_is_refused(tmp_path):
    """A path with .. in the archive is not followed."""
    archive = tmp_path / "kheaders.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        entry = tarfile.TarInfo("../escaped")
        tar.addfile(entry)
    with pytest.raises(OffsetsUnknown, match="a name outside"):
        from_headers(WANTED, RELEASE, modules=tmp_path / "none", kheaders=archive, evaluator=FakeCompiler({}))


def test_no_headers_at_all_is_said(tmp_path):
    """Both places are named."""
    with pytest.raises(OffsetsUnknown, match=r"build nor .*kheaders"):
        from_headers(WANTED, RELEASE, modules=tmp_path, kheaders=tmp_path / "kheaders.tar.xz")


def test_headers_that_do_not_compile_give_the_compilers_first_words(tmp_path):
    """The reason is clang's own."""
    headers_in(tmp_path / RELEASE / "build")
    with pytest.raises(OffsetsUnknown, match="do not compile: fatal error: asm"):
        from_headers(WANTED, RELEASE, modules=tmp_path, evaluator=FakeCompiler({}, "fatal error: asm/types.h not found\nmore"))


def test_an_archive_that_is_cut_off_is_refused(tmp_path):
    """A damaged archive is a reason, not a crash."""
    archive = tmp_path / "kheaders.tar.xz"
    archive.write_bytes(b"\xfd7zXZ\x00\x00\x04")
    with pytest.raises(OffsetsUnknown, match="cannot be unpacked"):
        from_headers(WANTED, RELEASE, modules=tmp_path / "none", kheaders=archive, evaluator=FakeCompiler({}))
