# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.adapters.btf import VMLINUX_BTF, libbpf_version
from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.btf import from_btf
from sensor.probes.offsets.wanted import Wanted


def test_a_kernel_without_btf_is_a_refusal_that_names_the_file(tmp_path):
    """The next source is asked then."""
    with pytest.raises(OffsetsUnknown, match=r"no .*vmlinux"):
        from_btf([], tmp_path / "vmlinux")


@pytest.mark.skipif(not VMLINUX_BTF.is_file() or not libbpf_version(), reason="this kernel shows no BTF, or there is no libbpf")
def test_the_first_spelling_the_kernel_knows_wins():
    """Renamed members are found by their other names, under the first one's label."""
    wanted = Wanted("task_struct", ("not_a_member", "tgid"))
    plain = from_btf([Wanted("task_struct", ("tgid",))])
    assert from_btf([wanted]).members == {"task_struct.not_a_member": plain.members["task_struct.tgid"]}
    assert plain.source == "btf:/sys/kernel/btf/vmlinux"
