# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sensor.adapters.bccpackage import BccPackage
from sensor.core.kernel import Kernel
from sensor.doctor import checks
from sensor.doctor.checks import CHECKS, examine, exit_code
from sensor.doctor.facts import Tracepoints, Unknown
from sensor.doctor.verdicts import Verdict
from sensor.probes.features import OLDEST
from sensor.workloads.cgroups import Hierarchy, Mode
from tests.unit.doctor.facts_factory import ALL_FEATURES, GOOD, facts

NO_ANSWER = Unknown(reason="EPERM", fix="run as root")


def test_a_good_node_has_no_problem():
    """Every check is told, each under its own name, and the exit code says that the sensor can run."""
    found = examine(GOOD)
    assert [check.verdict for check in found] == [Verdict.OK] * len(CHECKS)
    assert len({check.name for check in found}) == len(CHECKS)
    assert exit_code(found) == 0


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"release": "4.13.0"}, "kernel", "older than 4.14"),
        ({"offsets": NO_ANSWER}, "offsets", "EPERM"),
        ({"features": NO_ANSWER}, "BPF", "EPERM"),
        ({"hierarchy": NO_ANSWER}, "cgroups", "EPERM"),
        ({"libbpf": ""}, "libbpf", "libbpf1"),
        ({"tracepoints": Tracepoints(mounted_at="", folder=None, missing=())}, "tracepoints", "mount -t tracefs"),
        ({"tracepoints": Tracepoints(mounted_at="/t", folder=None, missing=())}, "tracepoints", "mounted at /t and cannot be read"),
        ({"tracepoints": Tracepoints(mounted_at="/t", folder=Path("/t"), missing=("open: a/b",))}, "tracepoints", "open: a/b"),
        ({"bcc": BccPackage(folder=None, is_real=False, version="", library="")}, "BCC", "python3-bpfcc"),
        ({"bcc": BccPackage(folder=Path("/v/bcc"), is_real=False, version="1", library="")}, "BCC", "/v/bcc is not the BPF Compiler Collection"),
    ],
)
def test_what_keeps_the_sensor_from_running_is_a_problem(change, name, said):
    """The subject, what was found and what to do are said, and the exit code is 4."""
    found = examine(facts(**change))
    problems = [check for check in found if check.verdict is Verdict.PROBLEM]
    assert [check.name for check in problems] == [name]
    assert said in f"{problems[0].found} {problems[0].uses} {problems[0].fix}"
    assert exit_code(found) == 4


def test_an_architecture_without_registers_is_a_problem():
    """x86-64 and arm64 are known."""
    machine = replace(GOOD, kernel=Kernel(release="6.1.0", build="", machine="riscv64"))
    assert checks.check_architecture(machine).verdict is Verdict.PROBLEM


def test_an_old_kernel_runs_with_less():
    """4.14's facilities are no problem: the perf buffer, slower forms, what was asked for as a peer."""
    old = facts(release="4.14.300", features=OLDEST)
    assert exit_code(examine(old)) == 0
    assert checks.check_transport(old).found == "perf buffer"
    assert "slower forms" in checks.check_programs(old).uses
    assert checks.check_tracepoints(old).verdict is Verdict.NOTE
    assert checks.check_transport(facts(features=ALL_FEATURES)).found == "ring buffer"


def test_the_key_of_workloads_is_told():
    """The v1 controller on hybrid nodes, and a part of a hierarchy is a note."""
    hybrid = Hierarchy(mode=Mode.HYBRID, mount_point=Path("/sys/fs/cgroup/memory"), controller="memory", whole=True)
    assert "v1 controller memory" in checks.check_cgroups(facts(hierarchy=hybrid)).uses
    assert checks.check_cgroups(facts(hierarchy=replace(hybrid, whole=False))).verdict is Verdict.NOTE


def test_the_source_of_offsets_and_what_is_missing_are_told():
    """Which sources there are, which one serves, which optional members this kernel lacks."""
    check = checks.check_offsets(facts(headers="/lib/modules/x/build"))
    assert check.found == "BTF, headers (/lib/modules/x/build)"
    assert check.uses == "1 offsets from btf:/sys/kernel/btf/vmlinux; this kernel has no task_struct.pids"


def test_an_unanswered_question_is_not_an_answer():
    """Without the right to ask, the transport is not said to be the old one."""
    assert checks.check_transport(facts(features=NO_ANSWER)).verdict is Verdict.NOTE
