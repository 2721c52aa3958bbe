# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

from sensor.core.privileges import capability_names, namespace_inode, own_privileges, read_int, read_text, status_fields

STATUS = "Name:\tscout\nUid:\t0\t7\t0\t0\nCapEff:\t000000c000080004\n"
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units\nMax locked memory         65536                65536                bytes\n"
)


def root_with(tmp_path, files):
    """A made-up / with *files* (path → text)."""
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_capabilities_have_the_kernels_names():
    """Bits 38 and 39 are perfmon and bpf; 19 is sys_ptrace... and unknown bits have no name."""
    assert capability_names(1 << 39 | 1 << 38 | 1 << 19 | 1 << 63) == {"bpf", "perfmon", "sys_ptrace"}


def test_what_stands_in_proc_and_sys_is_read(tmp_path):
    """Effective user, capabilities, sysctls, the lockdown in brackets, the soft limit."""
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    (tmp_path / "proc/self/ns/user").symlink_to("user:[4026532000]")
    found = own_privileges(
        root_with(
            tmp_path,
            {
                "proc/self/status": STATUS,
                "proc/self/limits": LIMITS,
                "proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
                "proc/sys/kernel/bpf_stats_enabled": "1\n",
                "sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
            },
        )
    )
    assert found.euid == 7
    assert found.effective == {"bpf", "perfmon", "sys_ptrace", "dac_read_search"}
    assert found.has("sys_admin", "bpf")
    assert not found.has("sys_admin")
    assert found.in_host_pid_ns is True
    assert found.in_initial_user_ns is False
    assert (found.unprivileged_bpf_disabled, found.bpf_stats_enabled, found.lockdown, found.memlock_bytes) == (2, True, "integrity", 65536)


def test_what_cannot_be_seen_is_not_allowed(tmp_path):
    """An empty root gives no capability and no answer, not a guess."""
    found = own_privileges(tmp_path)
    assert found.effective == frozenset()
    assert found.in_host_pid_ns is None
    assert found.unprivileged_bpf_disabled is None
    assert found.perf_event_paranoid is None
    assert found.lockdown == ""


def test_the_real_process_is_read_without_any_right():
    """Works for every user: only what is this process's own is opened."""
    assert own_privileges().euid == os.geteuid()


def test_files_are_read_within_bounds(tmp_path):
    """No more than 64 KiB is taken, a number is a number, and a missing file is None."""
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    assert len(read_text(tmp_path / "big")) == 65_536
    assert read_int(tmp_path / "big") is None
    assert read_text(tmp_path / "none") is None
    assert namespace_inode(tmp_path, "pid") is None
    assert status_fields("a:\tb\nc\n") == {"a": "b"}
