# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.errors import OffsetsUnknown
from sensor.probes.offsets.model import Answer, Offsets, alignment_of, check, label
from sensor.probes.offsets.wanted import WANTED, Wanted

TGID, COMM, LOGINUID = Wanted("task_struct", ("tgid",)), Wanted("task_struct", ("comm",)), Wanted("task_struct", ("loginuid",), optional=True)


def answer(**members):
    """What a source says of task_struct."""
    return Answer(source="test:x", members={f"task_struct.{name}": value for name, value in members.items()})


def test_a_good_answer_becomes_macros_in_the_wanted_order():
    """The macro is what the C side asks for; a missing optional member is left out."""
    assert check(answer(comm=17, tgid=4), [TGID, COMM, LOGINUID]) == {"task_struct__tgid": 4, "task_struct__comm": 17}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"comm": 16}, "task_struct.tgid is missing"),
        ({"comm": 16, "tgid": -4}, "task_struct.tgid = -4 is no offset"),
        ({"comm": 16, "tgid": 65_536}, "task_struct.tgid = 65536 is no offset"),
        ({"comm": 16, "tgid": True}, "task_struct.tgid = True is no offset"),
        ({"comm": 16, "tgid": 6}, "task_struct.tgid = 6 is not a multiple of 4"),
        ({"comm": 16, "tgid": 16}, "task_struct.comm and task_struct.tgid are both 16"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_the_members_name(members, said):
    """Never a garbage value: the refusal names structure and member."""
    with pytest.raises(OffsetsUnknown) as caught:
        check(Answer(source="test:x", members={f"task_struct.{k}": v for k, v in sorted(members.items(), reverse=True)}), [TGID, COMM])
    assert set(said.split()) <= set(str(caught.value).split())


def test_all_problems_are_told_at_once():
    """Two missing members are two names in one message."""
    with pytest.raises(OffsetsUnknown, match=r"task_struct\.tgid is missing; task_struct\.comm is missing"):
        check(answer(), [TGID, COMM])


def test_one_of_the_two_places_of_a_pid_must_be_known():
    """thread_pid and the older pids are optional each, but not both."""
    wanted = [Wanted("task_struct", ("thread_pid",), optional=True), Wanted("task_struct", ("pids",), optional=True)]
    with pytest.raises(OffsetsUnknown, match=r"neither task_struct\.thread_pid nor task_struct\.pids"):
        check(answer(), wanted)
    assert check(answer(pids=8), wanted) == {"task_struct__pids": 8}


def test_flags_are_defines_for_the_compiler():
    """Members first, then tracepoints, each -DOFF_name=value."""
    found = Offsets(source="s", members={"cred__uid": 8}, tracepoints={"tp_sched_process_exec__filename": 8}, missing_optional=())
    assert found.flags() == ("-DOFF_cred__uid=8", "-DOFF_tp_sched_process_exec__filename=8")


def test_every_alignment_is_for_a_member_that_is_wanted():
    """A renamed member would otherwise lose its check in silence."""
    from sensor.probes.offsets import model

    assert {label(item) for item in WANTED} >= model._BYTES_1 | model._BYTES_2 | model._BYTES_4
    assert alignment_of("task_struct.mm") == 8
