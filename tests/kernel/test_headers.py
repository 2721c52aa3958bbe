# SPDX-License-Identifier: Apache-2.0
"""What the compiler makes of Debian's real kernel headers, against what the booted kernel's own BTF said."""

from __future__ import annotations

import json
import shutil

import pytest

from kernels.run.cache import cache_folder, locked
from kernels.run.packages import Suite
from kernels.run.sources import find_mirror
from sensor.core.kernel import Kernel
from sensor.probes.offsets.headers import ask_tree
from sensor.probes.offsets.model import check
from sensor.probes.offsets.tables import from_file
from sensor.probes.offsets.wanted import WANTED


@pytest.fixture
def headers(guest):
    """The guest kernel's headers, unpacked in the cache: the plain half and the generated half."""
    release = guest.facts()["release"]
    names = (f"linux-headers-{release.removesuffix('-cloud-amd64')}-common", f"linux-headers-{release}")
    folder = cache_folder() / "headers" / release
    with locked(cache_folder(), f"apt-{guest.kernel.suite}"):
        archive = Suite(guest.kernel.suite, find_mirror(), cache_folder() / f"apt-{guest.kernel.suite}")
        for name in names:
            if not (folder / "usr/src" / name).is_dir():
                part = folder.with_name(f"{release}.part")
                shutil.rmtree(part, ignore_errors=True)
                part.parent.mkdir(parents=True, exist_ok=True)
                archive.unpack(archive.newest(name), part)
                shutil.copytree(part, folder, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(part)
    return tuple(folder / "usr/src" / name for name in names)


def test_headers_say_what_btf_says(guest, headers):
    """Every member has the same offset from either source, those of structures that no header has included."""
    pytest.importorskip("bcc")
    facts = guest.facts()
    plain, generated = headers
    asked = check(ask_tree(WANTED, facts["release"], origin="headers", source=plain, build=generated), WANTED)
    described = json.loads((guest.results / "offsets.json").read_text())["kernel"]
    kernel = Kernel(release=described["release"], build=described["build"], machine=described["machine"])
    assert asked == check(from_file(guest.results / "offsets.json", kernel, by_hand=False), WANTED)


def test_headers_of_another_kernel_are_not_taken(guest, headers):
    """Real headers name their release, and it has to be the kernel's."""
    from sensor.core.errors import OffsetsUnknown

    with pytest.raises(OffsetsUnknown, match="the kernel is 4"):
        ask_tree(WANTED, "4.19.0-1-amd64", origin="headers", source=headers[0], build=headers[1])
