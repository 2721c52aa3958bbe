# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from sensor.core.clock import FakeClock
from sensor.engine.decide import Policy
from sensor.engine.findings import OUTPUT_CHARACTERS, wall_text
from sensor.engine.redact import MARK
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.workloads.containers import identify
from sensor.workloads.pods import Container
from tests.unit.contract.schema_check import check
from tests.unit.events_factory import make_event, make_workload
from tests.unit.finding_factory import WALL_OFFSET_NS, make_builder, make_clock, make_finding, make_rule
from tests.unit.pods_factory import cgroup_path, id_of, make_pod, uid_of


def test_rule_policy_and_node_are_told():
    """The finding says which rule matched, who chose it, where, and what was done."""
    finding = make_finding()
    assert finding["rule"] == {"id": "SC-0001", "name": "Sensitive file read", "version": 2, "maturity": "sandbox"}
    assert (finding["severity"], finding["attack"], finding["tags"]) == ("warning", ["T1003.008"], ["host"])
    assert (finding["policy"], finding["ruleset"], finding["definition"], finding["node"]) == ("built-in", "built-in", None, "n1")
    assert finding["mitigation"] == {"asked": "log", "done": "log", "at": finding["time"], "reason": None}


def test_times_are_wall_time_with_nanoseconds():
    """The act's time is the kernel's stamp on the wall; the process's start takes the time the machine slept into account."""
    clock = FakeClock(5 * 10**9, wall_offset_ns=WALL_OFFSET_NS, boottime_offset_ns=3 * 10**9)
    event = make_event("open", ts_ns=4_000_000_007, start_ns=6_500_000_001)
    finding = make_builder(clock=clock).build(event, make_rule(), Policy.builtin().decide(event, make_rule()))
    assert (finding["time"], finding["ts_ns"]) == ("2023-11-14T22:13:24.000000007Z", 4_000_000_007)
    assert (finding["process"]["start_time"], finding["process"]["start_ns"]) == ("2023-11-14T22:13:23.500000001Z", 6_500_000_001)


@pytest.mark.parametrize(("wall_ns", "text"), [(-5, "1970-01-01T00:00:00.999999995Z"), (1 << 70, "9999-12-31T23:59:59")])
def test_absurd_times_are_still_times(wall_ns, text):
    """A recording with a nonsensical clock makes odd times, never an exception."""
    assert wall_text(FakeClock(), wall_ns).startswith(text)


def test_the_id_is_the_acts_own():
    """The same act has the same id in another run; another time, process, thread, kind, rule or boot has another."""
    first = make_finding()["id"]
    assert len(first) == 32
    assert make_finding(comm="other")["id"] == first
    others = [make_finding(**{name: 7})["id"] for name in ("ts_ns", "tgid", "tid", "start_ns")]
    others += [make_finding("exec")["id"], make_finding(rule=make_rule(id="SC-0002"))["id"]]
    event = make_event("open")
    others.append(make_builder(boot_id="boot-2").build(event, make_rule(), Policy.builtin().decide(event, make_rule()))["id"])
    assert len({first, *others}) == 1 + len(others)


def test_the_process_is_told():
    """Arguments, names of capabilities, terminal, namespaces and the parents come from the frame."""
    finding = make_finding(
        cmdline=b"cat\0a b\0\0",
        cap_effective=1,
        tty_dev=136 << 20,
        loginuid=1000,
        ancestors=((9, b"ba\nsh"),),
        flags=int(FrameFlag.EXE_DELETED | FrameFlag.EXE_DETACHED),
    )
    process = finding["process"]
    assert (process["args"], process["cmdline"]) == (["cat", "a b", ""], "cat a b ")
    assert (process["capabilities"], process["tty"], process["loginuid"]) == ({"effective": ["CAP_CHOWN"], "permitted": []}, "pts/0", 1000)
    assert (process["exe_deleted"], process["exe_memfd"]) == (True, True)
    assert finding["parents"] == [{"pid": 9, "name": "ba\nsh"}]
    assert make_finding()["process"]["loginuid"] is None
    assert make_finding(cmdline=b"")["process"]["args"] == []


def test_the_workload_is_told():
    """Host, container and unknown are told apart; what is not known of a pod yet is null."""
    host, inside = make_finding(), make_finding(container=True)
    unknown = make_finding(workload=make_workload(Profile.UNKNOWN))
    assert (host["scope"], host["container"], host["pod"]) == ("host", None, None)
    assert (inside["scope"], inside["container"]["runtime"], inside["container"]["name"]) == ("container", "containerd", None)
    assert inside["pod"] == {"name": None, "uid": "8c1c7ad4-0000-4000-8000-000000000001", "labels": None, "owner": None}
    assert unknown["scope"] == "unknown"


def test_the_pod_is_told_by_its_names():
    """Namespace, name, labels, owner, and the container with its image; what nobody told is null."""
    pod = make_pod(1, owner=("Deployment", "web"))
    container = Container(name="app", image="docker.io/example/web", tag="1", digest="sha256:ab")
    workload = replace(identify(cgroup_path(1)), pod=pod, container=container)
    finding = make_finding(workload=workload, late=True)
    assert (finding["namespace"], finding["late"]) == ("shop", True)
    assert finding["pod"] == {"name": "web-1", "uid": uid_of(1), "labels": {"app": "web"}, "owner": {"kind": "Deployment", "name": "web"}}
    told = {"id": id_of(1), "name": "app", "image": "docker.io/example/web", "tag": "1", "digest": "sha256:ab", "runtime": None}
    assert finding["container"] == told
    half = make_finding(workload=replace(workload, pod=replace(pod, owner=None), container=Container(name="app")))
    assert half["pod"]["owner"] is None
    assert half["container"] == told | {"image": None, "tag": None, "digest": None}


def test_flags_and_cuts_are_told():
    """What the kernel said of its values is listed by name, and the members that lost something are in cut."""
    finding = make_finding(flags=int(FrameFlag.PATH_CUT | FrameFlag.CMDLINE_CUT | FrameFlag.FS_PATH | FrameFlag.BOOKKEEPING))
    assert finding["flags"] == ["path_cut", "cmdline_cut", "fs_path"]
    assert finding["cut"] == ["act.path", "process.cmdline"]


def test_a_long_message_is_cut_and_marked():
    """A rule's message has an end."""
    finding = make_finding(rule=make_rule(render=lambda _: "x" * 10_000))
    assert len(finding["output"]) == OUTPUT_CHARACTERS
    assert finding["cut"] == ["output"]


def test_lane_late_and_replayed_are_told():
    """How the event came is marked."""
    event = make_event("open", lane=1)
    finding = make_builder(replayed=True).build(event, make_rule(), Policy.builtin().decide(event, make_rule()), late=True)
    assert (finding["lane"], finding["late"], finding["replayed"]) == ("reserved", True, True)


def test_a_secret_is_nowhere_in_the_finding():
    """Arguments, command line, message and asked path lose the secret; the event, which other rules still test, does not."""
    event = make_event("open", cmdline=b"mysql\0-phunter22\0https://me:hunter22@h/\0", asked="https://me:hunter22@h/", cwd="/srv/https:/me:hunter22@h")
    before = copy.copy(event)
    finding = make_builder().build(event, make_rule(), Policy.builtin().decide(event, make_rule()))
    assert "hunter22" not in json.dumps(finding)
    assert finding["process"]["args"] == ["mysql", f"-p{MARK}", f"https://me:{MARK}@h/"]
    assert finding["output"] == f"command=mysql -p{MARK} https://me:{MARK}@h/ "
    assert finding["act"]["asked"] == f"https://me:{MARK}@h/"
    assert event == before


def test_a_secret_of_a_parent_is_not_quoted():
    """A message that shows other processes' arguments is searched, although the process's own are quiet."""
    rule = make_rule(quotes=True, render=lambda _event: "parent=mysql --password=hunter2 -u x")
    assert make_finding(rule=rule)["output"] == "parent=mysql --password=[redacted] -u x"


def test_a_message_may_be_anything():
    """Surrogates and control characters in a rendered message make a finding that can be encoded."""
    finding = make_finding(rule=make_rule(render=lambda _: "a\udcff\ud800\x00é"))
    json.dumps(finding, ensure_ascii=False).encode()
    check(finding)


@pytest.mark.parametrize(
    ("priority", "severity"), [("EMERGENCY", "emergency"), ("Informational", "informational"), ("INFO", "informational"), ("debug", "debug")]
)
def test_priorities_become_severities(priority, severity):
    """Falco's priorities in any spelling are the schema's severities."""
    assert make_finding(rule=make_rule(priority=priority))["severity"] == severity


def test_a_rule_without_maturity_has_null():
    """Rules from elsewhere carry no maturity."""
    assert make_finding(rule=make_rule(maturity=""))["rule"]["maturity"] is None


def test_resync_follows_a_suspend():
    """After the machine slept, process start times are right again."""
    clock = make_clock()
    builder = make_builder(clock=clock)
    clock.boottime_offset_ns = 10**9
    builder.resync()
    event = make_event("open", start_ns=2 * 10**9)
    finding = builder.build(event, make_rule(), Policy.builtin().decide(event, make_rule()))
    assert finding["process"]["start_time"] == "2023-11-14T22:13:21.000000000Z"


def test_a_process_has_one_start_however_the_clocks_were_read():
    """The two clocks are read one after the other: what lies between is no suspend, and the start does not move by it."""
    starts = set()
    for between_ns in (0, 180, 400_000, -400_000):
        clock = FakeClock(10**9, wall_offset_ns=0, boottime_offset_ns=5_000_000_000 + between_ns)
        event = make_event("open", start_ns=5_900_000_000)
        verdict = Policy.builtin().decide(event, make_rule())
        starts.add(make_builder(clock=clock).build(event, make_rule(), verdict)["process"]["start_time"])
    assert starts == {"1970-01-01T00:00:00.900000000Z"}
