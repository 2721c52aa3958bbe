# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.doctor.rights import check_lockdown, check_memlock, check_perf_events, check_privileges, check_processes, check_unprivileged
from sensor.doctor.verdicts import Verdict
from tests.unit.doctor.facts_factory import facts

OK, NOTE, PROBLEM = Verdict.OK, Verdict.NOTE, Verdict.PROBLEM


@pytest.mark.parametrize(
    ("release", "without", "verdict", "said"),
    [
        ("6.1.0", (), OK, "root with BPF"),
        ("6.1.0", ("sys_admin",), OK, "root with BPF, PERFMON"),
        ("6.1.0", ("bpf", "perfmon"), OK, "SYS_ADMIN"),
        ("6.1.0", ("bpf", "sys_admin"), PROBLEM, "CAP_BPF missing"),
        ("6.1.0", ("bpf", "perfmon", "sys_admin"), PROBLEM, "CAP_BPF and CAP_PERFMON missing"),
        ("5.4.0", ("sys_admin",), PROBLEM, "CAP_SYS_ADMIN missing"),
        ("6.1.0", ("sys_ptrace",), NOTE, "without CAP_SYS_PTRACE"),
    ],
)
def test_capabilities_by_kernel(release, without, verdict, said):
    """BPF and PERFMON from 5.8 on, SYS_ADMIN always; what only helps is a note."""
    check = check_privileges(facts(release=release, without=without))
    assert check.verdict is verdict
    assert said in f"{check.found} {check.uses}"


def test_capabilities_of_a_user_namespace_do_not_count():
    """Root of a user namespace has all of them and may load nothing."""
    assert check_privileges(facts(privileges={"in_initial_user_ns": False})).verdict is PROBLEM


@pytest.mark.parametrize(
    ("release", "limit", "without", "verdict"),
    [
        ("5.11.0", 65_536, ("sys_resource",), OK),
        ("5.10.0", 65_536, ("sys_resource",), PROBLEM),
        ("5.10.0", 65_536, (), OK),
        ("5.10.0", None, ("sys_resource",), OK),
        ("4.14.0", 1 << 30, ("sys_resource",), OK),
    ],
)
def test_locked_memory_counts_below_5_11(release, limit, without, verdict):
    """The limit matters on older kernels, unless it can be raised or is large."""
    assert check_memlock(facts(release=release, without=without, privileges={"memlock_bytes": limit})).verdict is verdict


@pytest.mark.parametrize(("level", "without", "verdict"), [(2, ("sys_admin",), OK), (4, ("sys_admin",), PROBLEM), (4, (), OK), (None, (), NOTE), (-1, (), OK)])
def test_distributions_paranoid_levels_ask_for_sys_admin(level, without, verdict):
    """Debian's 3 and Ubuntu's 4 are not satisfied by PERFMON."""
    assert check_perf_events(facts(without=without, privileges={"perf_event_paranoid": level})).verdict is verdict


@pytest.mark.parametrize(("mode", "verdict"), [("none", OK), ("", OK), ("integrity", OK), ("confidentiality", PROBLEM)])
def test_only_confidentiality_forbids_reading(mode, verdict):
    """Lockdown's integrity mode leaves reads to BPF."""
    assert check_lockdown(facts(privileges={"lockdown": mode})).verdict is verdict


def test_who_else_may_use_bpf():
    """Open to all is a note; below 5.19 the agent keeps its capability."""
    assert check_unprivileged(facts(privileges={"unprivileged_bpf_disabled": 0})).verdict is NOTE
    assert "keeps CAP_BPF" in check_unprivileged(facts(release="5.10.0")).uses
    assert check_unprivileged(facts()).uses == ""
    assert check_unprivileged(facts(privileges={"unprivileged_bpf_disabled": None})).verdict is OK


@pytest.mark.parametrize(("inside", "verdict"), [(True, OK), (False, PROBLEM), (None, NOTE)])
def test_the_hosts_process_ids_are_needed(inside, verdict):
    """Without hostPID the numbers in /proc are others than the kernel's."""
    assert check_processes(facts(privileges={"in_host_pid_ns": inside})).verdict is verdict
