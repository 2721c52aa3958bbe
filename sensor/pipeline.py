# SPDX-License-Identifier: Apache-2.0
"""
From an event to what is reported: match, decide, fold, build, write.

The same code handles events of the kernel and of recordings; what differs (the
clock, the workloads, where findings go) is given. One rule or sink that fails
is counted and does not stop the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.core.counters import Count
from sensor.engine.decide import BUILTIN, Verdict
from sensor.engine.flood import FLOOD_RULE
from sensor.engine.match import RULE_ERRORS
from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sensor.core.counters import Counters
    from sensor.core.ports import Sink
    from sensor.engine.aggregate import Aggregator
    from sensor.engine.decide import Policy
    from sensor.engine.findings import FindingBuilder, MatchedRule

    Match = Callable[[Any, int], Iterable[MatchedRule]]
    """Event and its candidate bits → the rules that match."""


_WORKLOAD_KNOWN = ~int(FrameFlag.WORKLOAD_UNKNOWN)


class Pipeline:
    """What becomes of events."""

    def __init__(
        self,
        *,
        match: Match,
        policy: Policy,
        builder: FindingBuilder,
        aggregator: Aggregator,
        sinks: Iterable[Sink],
        counters: Counters,
        failed: Callable[[str, Exception], None],
    ) -> None:
        """*failed* is told in words what failed, and with what; it is counted already."""
        self.match = match
        """Replaced when rules are loaded anew."""
        self.policy = policy
        """Replaced when the policy is loaded anew."""
        self._builder = builder
        self._aggregator = aggregator
        self._sinks = tuple(sinks)
        self._counters = counters
        self._failed = failed

    def handle(self, event: Any, *, late: bool = False) -> None:  # noqa: ANN401  # the event classes are generated
        """Judge one event; ``workload`` and ``candidates`` are set, *late*: it has waited. Bookkeeping frames other than floods are nobody's act."""
        if event.workload.profile is not Profile.UNKNOWN:
            event.flags &= _WORKLOAD_KNOWN  # the kernel did not know yet; the frame's own path told
        if event.kind_name == "flood":
            self._report(event, FLOOD_RULE, late=late)
        elif event.candidates and event.kind_name != "exit":
            for rule in self.match(event, event.candidates):
                self._report(event, rule, late=late)

    def may_tell(self, event: Any) -> bool:  # noqa: ANN401  # the event classes are generated
        """
        Whether `handle` could tell anything of *event*: what is not known about its workload yet counts as matching.

        It is handled later, so what has to be asked for while the act is fresh is asked for now: who is asked remembers it.
        """
        if event.kind_name == "flood":
            return True
        rules = list(self.match(event, event.candidates)) if event.candidates and event.kind_name != "exit" else []
        for rule in rules:
            if rule.asks:
                rule.render(event)
        return bool(rules)

    def _report(self, event: Any, rule: MatchedRule, *, late: bool) -> None:  # noqa: ANN401  # the event classes are generated
        verdict = self.policy.decide(event, rule)
        if verdict is None and rule is FLOOD_RULE:  # what is lost is told whatever the policy chose
            verdict = Verdict(mitigation="log", policy=self.policy.name, ruleset=BUILTIN)
        if verdict is None or self._aggregator.folds(event, rule.id):
            return
        try:
            finding = self._builder.build(event, rule, verdict, late=late)
        except RULE_ERRORS as error:
            self._counters.add(Count.ENGINE_RULE_FAILED)
            self._failed(f"a finding of rule {rule.id} could not be made", error)
            return
        self._write(finding)
        self._aggregator.opened(event, rule.id, finding)
        self._counters.finding(rule.id)

    def _write(self, finding: Mapping[str, Any]) -> None:
        for sink in self._sinks:
            try:
                sink.write(finding)
            except (OSError, *RULE_ERRORS) as error:
                self._counters.add(Count.SINK_FAILED)
                self._failed(f"sink {sink.name} failed", error)

    def tell_due(self) -> None:
        """Report the counts of windows that have closed."""
        for finding in self._aggregator.due():
            self._write(finding)

    def next_due_ns(self) -> int | None:
        """When the next window closes, on the monotonic clock."""
        return self._aggregator.next_due_ns()

    def finish(self) -> None:
        """Report what was held back."""
        for finding in self._aggregator.close():
            self._write(finding)
