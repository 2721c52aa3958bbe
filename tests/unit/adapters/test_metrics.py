# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

from sensor.adapters.metrics import Metrics, own_rss_bytes
from sensor.core.counters import Count, Counters
from sensor.health.state import Health, ProbeStatus, RuleState, RuleStatus


def lines(metrics):
    return [line for line in metrics.exposition()[0].decode().splitlines() if not line.startswith("#")]


def test_every_metric_shows_what_was_counted():
    """All families, with their labels and values, and nothing of the library's own."""
    counters = Counters(kernel=lambda: {"ring_full_common": [1, 2]})
    counters.event("open", "common")
    counters.add(Count.DECODE_TOO_SHORT, 4)
    counters.add(Count.WORKLOADS_EVICTED)
    counters.finding("Shadow read")
    health = Health()
    health.set_rules({"Shadow read": RuleStatus(RuleState.ACTIVE), "Other": RuleStatus(RuleState.BLIND, "x")})
    health.probe("open", ProbeStatus(attached=True))
    health.probe("exec", ProbeStatus(attached=False))
    metrics = Metrics(counters, health, build={"version": "0.1", "rules": "ab"}, rss_bytes=lambda: 4096)
    assert lines(metrics) == [
        'scout_build_info{rules="ab",version="0.1"} 1.0',
        'scout_events_total{kind="open",lane="common"} 1.0',
        'scout_losses_total{reason="ring_full_common",where="kernel"} 3.0',
        'scout_losses_total{reason="too_short",where="decode"} 4.0',
        'scout_notes_total{reason="evicted",where="workloads"} 1.0',
        'scout_findings_total{rule="Shadow read"} 1.0',
        'scout_rule_status{rule="Shadow read",status="active"} 1.0',
        'scout_rule_status{rule="Other",status="blind"} 1.0',
        'scout_probe_status{probe="open"} 1.0',
        'scout_probe_status{probe="exec"} 0.0',
        "scout_ready 0.0",
        "scout_rss_bytes 4096.0",
    ]


def test_a_scrape_shows_the_moment():
    """Counters that moved since the last scrape have moved in the next."""
    counters = Counters()
    metrics = Metrics(counters, Health(), build={"version": "1"})
    counters.finding("r")
    assert 'scout_findings_total{rule="r"} 1.0' in lines(metrics)
    counters.finding("r")
    assert 'scout_findings_total{rule="r"} 2.0' in lines(metrics)


def test_names_from_rule_files_cannot_break_the_text():
    """Quotes, line ends, lone surrogates and great length stay inside their label."""
    counters = Counters()
    for name in ('a"b\nscout_ready 1', "\udcff", "x" * 10_000):
        counters.finding(name)
    found = [line for line in lines(Metrics(counters, Health(), build={"version": "1"})) if line.startswith("scout_findings_total")]
    assert found[0] == r'scout_findings_total{rule="a\"b\nscout_ready 1"} 1.0'
    assert found[1] == r'scout_findings_total{rule="\\udcff"} 1.0'
    assert len(found[2]) < 300


def test_resident_memory_is_measured():
    """This process has some megabytes, not none and not a machine full."""
    assert 1 << 20 < own_rss_bytes() < 1 << 40


def test_an_agent_without_a_port_does_not_pay_for_the_library():
    """Importing the adapter leaves prometheus_client out; only making a `Metrics` brings it in."""
    code = "import sys, sensor.adapters.metrics, sensor.health.server; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
