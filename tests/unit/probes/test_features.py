# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import resource

import pytest

from sensor.adapters import bpfsys
from sensor.core.errors import KernelUnsupported, PrivilegeMissing, UsageError
from sensor.probes import features
from sensor.probes.features import OLDEST, Features, detect

ALL = Features(ringbuf=True, raw_tracepoint=True, probe_read_kernel=True, bounded_loops=True, task_btf=True, set_state=True)


def kernel_that(monkeypatch, *, program=lambda kind, code: 0, map_answer=0):
    """Answer bpf(2) as told."""
    monkeypatch.setattr(features.bpfsys, "try_program", program)
    monkeypatch.setattr(features.bpfsys, "try_map", lambda *_, **__: map_answer)


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    """The limits that are set; the test's own process keeps its limits."""
    asked = []
    monkeypatch.setattr(features.resource, "setrlimit", lambda _which, pair: asked.append(pair))
    return asked


@pytest.fixture
def tracefs(tmp_path):
    """A tracefs with the set_state event."""
    event = tmp_path / "events/sock/inet_sock_set_state"
    event.mkdir(parents=True)
    (event / "format").write_text("")
    return tmp_path


def test_a_kernel_that_says_yes_to_all(monkeypatch, tracefs):
    """Every facility becomes a flag that compat.h reads."""
    kernel_that(monkeypatch)
    assert detect(tracefs) == ALL
    assert detect(tracefs).flags()[0] == "-DHAVE_RINGBUF=1"
    assert len(detect(tracefs).flags()) == 6
    assert not detect(None).set_state


def test_a_kernel_like_4_14_has_none(monkeypatch):
    """EINVAL is "not known here"; the simplest tracepoint program loads."""
    simplest = bpfsys.move(0, 0) + bpfsys.EXIT

    def oldest(kind, code):
        return 0 if (kind, code) == (bpfsys.PROG_TRACEPOINT, simplest) else errno.EINVAL

    kernel_that(monkeypatch, program=oldest, map_answer=errno.EINVAL)
    assert detect(None) == OLDEST
    assert OLDEST.flags() == ()


@pytest.mark.parametrize(("answer", "refusal"), [(errno.EPERM, PrivilegeMissing), (errno.ENOSYS, KernelUnsupported), (errno.EINVAL, KernelUnsupported)])
def test_without_the_right_to_ask_there_is_no_answer(monkeypatch, answer, refusal):
    """An agent that may not ask must not pretend it runs on an old kernel."""
    kernel_that(monkeypatch, program=lambda kind, code: answer)
    with pytest.raises(refusal) as caught:
        detect(None)
    assert caught.value.hint


def test_a_locked_memory_limit_is_not_a_missing_ring_buffer(monkeypatch):
    """EPERM on a map where programs load is RLIMIT_MEMLOCK, below 5.11."""
    kernel_that(monkeypatch, map_answer=errno.EPERM)
    with pytest.raises(PrivilegeMissing) as caught:
        detect(None)
    assert "ulimit" in caught.value.hint


def test_facilities_can_be_switched_off_by_hand():
    """The form of 4.14 is tested on newer kernels."""
    assert ALL.restricted("oldest") is OLDEST
    assert ALL.restricted("all") is ALL
    with pytest.raises(UsageError, match="newest"):
        ALL.restricted("newest")


def test_the_limit_on_locked_memory_is_lifted_before_the_first_question(monkeypatch, limits):
    """Below 5.11 what other BPF users hold counts too, and would make every answer EPERM."""
    seen = []
    kernel_that(monkeypatch, program=lambda kind, code: seen.append(list(limits)) or 0)
    detect(None)
    assert seen[0] == [(resource.RLIM_INFINITY, resource.RLIM_INFINITY)]


def test_a_hard_limit_that_stands_is_used_up(monkeypatch):
    """Without CAP_SYS_RESOURCE the soft limit goes up to the hard one, and nothing fails."""
    asked = []

    def setrlimit(_which, pair):
        asked.append(pair)
        if pair[1] == resource.RLIM_INFINITY:
            raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(features.resource, "getrlimit", lambda _which: (65_536, 1 << 20))
    monkeypatch.setattr(features.resource, "setrlimit", setrlimit)
    kernel_that(monkeypatch)
    detect(None)
    assert asked[-1] == (1 << 20, 1 << 20)
