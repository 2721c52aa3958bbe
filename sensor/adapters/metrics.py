# SPDX-License-Identifier: Apache-2.0
"""
Prometheus metrics, made from the counters when somebody scrapes.

The library is imported when a `Metrics` is made, not before: it takes 11 MiB
that an agent without a status port does not pay. Nothing is counted here; the
collector reads `Counters` and the health view, so a metric and the table at the
end of a run cannot disagree. The metrics' meanings are in docs/metrics.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    from sensor.core.counters import Counters

    Family = CounterMetricFamily | GaugeMetricFamily

_LABEL_CHARS = 200
"""Longest label; rules' names are sentences of below 100."""

_STATM = Path("/proc/self/statm")


class HealthView(Protocol):
    """What the metrics show of the agent's health; `sensor.health` has the real one."""

    def ready(self) -> bool:
        """Whether acts on this node become findings."""

    def probes(self) -> Mapping[str, ProbeView]:
        """Event kind → its probe."""

    def rules(self) -> Mapping[str, RuleView]:
        """Rule → its status."""


class ProbeView(Protocol):
    """A probe's status."""

    @property
    def attached(self) -> bool:
        """Whether its programs run."""


class StateView(Protocol):
    """A rule's state, an enum member."""

    @property
    def value(self) -> str:
        """``active``, ``degraded``, ``blind``."""


class RuleView(Protocol):
    """A rule's status."""

    @property
    def state(self) -> StateView:
        """What the rule can see."""


class Metrics:
    """
    One agent's metrics in a registry of their own.

    Args:
        counters: what is counted.
        health: what is known of rules and probes.
        build: labels of ``scout_build_info``: version, rule-set hash, probe hash.
        rss_bytes: this process's resident memory; by default from /proc/self/statm.
    """

    def __init__(self, counters: Counters, health: HealthView, *, build: Mapping[str, str], rss_bytes: Callable[[], int] | None = None) -> None:
        import prometheus_client  # noqa: PLC0415  # 11 MiB, only where metrics are asked for
        from prometheus_client import core  # noqa: PLC0415  # as above

        self._counter = core.CounterMetricFamily
        self._gauge = core.GaugeMetricFamily
        self._generate = prometheus_client.generate_latest
        self._content_type = prometheus_client.CONTENT_TYPE_LATEST
        self._counters = counters
        self._health = health
        self._build = dict(build)
        self._rss_bytes = rss_bytes or own_rss_bytes
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def exposition(self) -> tuple[bytes, str]:
        """Return the metrics in Prometheus' text format, and its content type."""
        return self._generate(self._registry), self._content_type

    def collect(self) -> Iterator[Family]:
        """Yield the metrics of now; called by the registry."""
        snapshot = self._counters.snapshot()
        build = self._gauge("scout_build_info", "What runs here; always 1", labels=list(self._build))
        build.add_metric([_label(value) for value in self._build.values()], 1)
        yield build
        yield self._counted("scout_events", "Frames that reached user space", ("kind", "lane"), snapshot.events.items())
        yield self._counted("scout_losses", "What was lost, and why", ("where", "reason"), snapshot.losses.items())
        yield self._counted("scout_notes", "What is worth knowing and lost nothing", ("where", "reason"), snapshot.notes.items())
        yield self._counted("scout_findings", "Findings", ("rule",), (((rule,), count) for rule, count in snapshot.findings.items()))
        rules = self._gauge("scout_rule_status", "1 for each rule's status on this node: active, degraded, blind", labels=["rule", "status"])
        for name, rule in self._health.rules().items():
            rules.add_metric([_label(name), rule.state.value], 1)
        yield rules
        probes = self._gauge("scout_probe_status", "1 when the probe of this event kind is attached", labels=["probe"])
        for name, probe in self._health.probes().items():
            probes.add_metric([_label(name)], int(probe.attached))
        yield probes
        yield self._gauge("scout_ready", "1 when acts of every loaded kind come back through both lanes", value=int(self._health.ready()))
        yield self._gauge("scout_rss_bytes", "Resident memory of the agent", value=self._rss_bytes())

    def _counted(self, name: str, text: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]) -> Family:
        family = self._counter(name, text, labels=list(labels))
        for values, count in counts:
            family.add_metric([_label(value) for value in values], count)
        return family


def _label(text: str) -> str:
    """*text* as a label: names come from rule files, and one that is not UTF-8 must not take all metrics down. The library escapes line ends."""
    return text[:_LABEL_CHARS].encode("utf-8", "backslashreplace").decode()


def own_rss_bytes() -> int:
    """Return this process's resident memory in bytes, 0 where /proc does not tell (proc(5), statm's second number)."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
