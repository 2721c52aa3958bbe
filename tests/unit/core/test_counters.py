# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

from sensor.core import counters as module
from sensor.core.counters import Count, Counters, render


def test_a_fresh_agent_has_lost_nothing():
    """Zeros are left out of a snapshot, totals stay in the table."""
    snapshot = Counters().snapshot()
    assert (snapshot.events, snapshot.findings, snapshot.losses, snapshot.notes) == ({}, {}, {}, {})
    assert render(snapshot) == "events    0\nfindings  0\nlost      0\n"


def test_losses_and_notes_are_told_apart():
    """What was lost and what is only worth knowing stand in different tables, each under where and why."""
    counters = Counters()
    counters.add(Count.DECODE_TOO_SHORT, 3)
    counters.add(Count.WORKLOADS_EVICTED)
    snapshot = counters.snapshot()
    assert snapshot.losses == {("decode", "too_short"): 3}
    assert snapshot.notes == {("workloads", "evicted"): 1}


def test_the_kernel_s_losses_are_merged():
    """Per-CPU losses are summed beside our own, and the table still says which CPU."""
    counters = Counters(kernel=lambda: {"ring_full_common": [0, 5, 2], "bucket_common": [0, 0, 0]}, workloads=lambda: {"pod a": 7, "pod b": 0})
    counters.add(Count.STREAM_BACKLOG_FULL)
    snapshot = counters.snapshot()
    assert snapshot.losses == {("kernel", "ring_full_common"): 7, ("stream", "backlog_full"): 1}
    assert snapshot.workloads == {"pod a": 7}
    text = render(snapshot)
    assert "kernel: ring full common  7 (by cpu 1: 5, 2: 2)" in text
    assert "lost                        8\n" in text


def test_an_unreadable_kernel_is_counted_not_raised():
    """A map that cannot be read must not take the metrics down."""

    def broken():
        raise OSError(9, "Bad file descriptor")

    counters = Counters()
    counters.attach_kernel(broken)
    assert counters.snapshot().notes == {("counters", "kernel_unreadable"): 1}


def test_events_and_findings_are_counted_by_name():
    """Frames are counted by kind and lane, findings by rule, both with thousands separated for people."""
    counters = Counters()
    for _ in range(1200):
        counters.event("open", "common")
    counters.event("open", "reserved")
    counters.finding("a rule")
    snapshot = counters.snapshot()
    assert snapshot.events == {("open", "common"): 1200, ("open", "reserved"): 1}
    text = render(snapshot)
    assert "1,201 (common 1,200, reserved 1)" in text
    assert "  a rule" in text


def test_rule_names_are_bounded(monkeypatch):
    """However many rules fire, the counters stay bounded and no finding goes uncounted."""
    monkeypatch.setattr(module, "MAX_RULES", 3)
    counters = Counters()
    for number in range(10):
        counters.finding(f"rule {number}")
    counters.finding("rule 0")
    assert counters.snapshot().findings == {"rule 0": 2, "rule 1": 1, "rule 2": 1, module.OTHER_RULES: 7}


def test_names_cannot_reach_the_terminal_raw():
    """A rule or workload named with escapes or at great length is shown escaped and short."""
    counters = Counters(workloads=lambda: {"\x1b[2Jevil\n" + "x" * 500: 1})
    text = render(counters.snapshot())
    assert "\\x1b[2Jevil\\x0a" in text
    assert all(len(line) < 100 and line.isprintable() for line in text.splitlines())


def test_many_flooding_workloads_are_summed_up():
    """The worst are named, the rest is one line with their sum."""
    counters = Counters(workloads=lambda: {f"pod {number}": number + 1 for number in range(30)})
    text = render(counters.snapshot())
    assert "  pod 29 " in text
    assert "  pod 5 " not in text
    assert text.endswith(f"  10 more{' ' * 12}55\n")


def test_threads_lose_no_count():
    """Counts of several threads add up."""
    counters = Counters()

    def work():
        for _ in range(2_000):
            counters.add(Count.SINK_FAILED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.value(Count.SINK_FAILED) == 8_000


def test_a_snapshot_is_json():
    """The support archive gets plain strings and numbers."""
    counters = Counters()
    counters.event("exec", "common")
    counters.add(Count.SINK_CUT)
    assert counters.snapshot().as_dict() == {"events": {"exec.common": 1}, "findings": {}, "losses": {}, "notes": {"sink.cut": 1}, "workloads": {}}


def test_every_count_has_a_name_of_its_own():
    """No two counts share where and reason, which a scrape would merge silently."""
    assert len({(count.where, count.reason) for count in Count}) == len(Count)
