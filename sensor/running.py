# SPDX-License-Identifier: Apache-2.0
"""Put an agent, or a replay, together from what was typed: ``scout run``, ``record`` and ``replay``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sensor.app import Agent, make_sink
from sensor.core.config import KernelConfig, RunConfig
from sensor.core.counters import Count, Counters, render
from sensor.core.paths import find_data
from sensor.engine.aggregate import Aggregator
from sensor.engine.decide import load_policy
from sensor.engine.findings import FindingBuilder, FindingContext
from sensor.engine.flood import FLOOD_RULE
from sensor.engine.match import Matcher
from sensor.engine.redact import RedactConfig, Redactor
from sensor.pipeline import Pipeline
from sensor.rules_in_force import load_documents
from sensor.workloads.around import RecordedAround

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from sensor.core.paths import DataRoot
    from sensor.engine.decide import Policy
    from sensor.recording.record import Recorder
    from sensor.recording.replay import ReplayContext
    from sensor.startup import Startup


_HOST, _POLICY = "host_in_scope", "policy"
"""Names of a recording's settings."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Replayed(Pipeline):
    """The pipeline with the recording's clock: windows close when the frame after them arrives. What execs told of later acts' ancestors is known."""

    around: RecordedAround

    def handle(self, event: Any, *, late: bool = False) -> None:  # noqa: ANN401  # the event classes are generated
        """See `Pipeline`."""
        self.tell_due()
        event.around = self.around
        if event.kind_name == "exit":
            self.around.processes.gone(event.tgid, event.start_ns)
        elif event.kind_name == "exec" and event.ret >= 0:
            self.around.processes.learn(event)
        super().handle(event, late=late)


def start(config: RunConfig, data: DataRoot, startup: Startup, recording: argparse.Namespace | None, *, log: Callable[[], str] = str) -> Agent:
    """Bring an agent up, *log* being its log's last lines; with *recording*, one that writes its frames to ``recording.file``, too."""
    if recording is None:
        return Agent(config, data, startup, log=log)
    from sensor.engine.decide import policy_files  # noqa: PLC0415  # only recordings need these
    from sensor.events.cheader import spec_hash  # noqa: PLC0415
    from sensor.recording.format import Document  # noqa: PLC0415
    from sensor.recording.record import Recorder, describe  # noqa: PLC0415
    from sensor.version import own_version  # noqa: PLC0415

    def record(agent: Agent) -> Recorder:
        header = describe(
            agent.clock,
            scout_version=own_version(data).scout,
            spec_hash=spec_hash(),
            rules_hash=agent.ruleset.hash,
            cgroup_mode=agent.kernel.hierarchy.mode.value,
            cgroup_controller=agent.kernel.hierarchy.controller,
            settings={_HOST: "yes" if config.host_in_scope else "no", _POLICY: agent.pipeline.policy.name},
        )
        return Recorder(
            recording.file,
            header,
            counters=agent.counters,
            clock=agent.clock,
            cgroups=agent.workloads.paths(),
            documents=tuple(Document(file.name, file.read_bytes()) for file in policy_files(config.policy)) if config.policy else (),
            max_bytes=recording.max_bytes,
            overwrite=recording.overwrite,
        )

    return Agent(config, data, startup, log=log, record=record)


def recorded_policy(context: ReplayContext, rule_ids: Sequence[str]) -> Policy:
    """
    Read the policy that was in force when the recording was made.

    Raises:
        DocumentError: its documents have mistakes, by the rules of this replay.
    """
    with TemporaryDirectory(prefix="scout-replay-") as folder:
        name = context.header.settings.get(_POLICY, "")
        place = Path(folder, name if _NAME.fullmatch(name) else "recorded")  # findings show it; what the file says is not believed further
        place.mkdir()
        for number, document in enumerate(context.documents):
            (place / f"{number:04}.yaml").write_bytes(document.content)
        return load_policy(place, [FLOOD_RULE.id, *rule_ids])


def replay(path: Path, rules: Sequence[Path], policy_path: Path | None, output: str) -> int:
    """Run a recording through the rules; findings go to standard output, counts to standard error."""
    from sensor.recording.replay import replay as replay_recording  # noqa: PLC0415  # a run needs none of it
    from sensor.rulelang.dimensions_of import survivors  # noqa: PLC0415

    counters = Counters()
    config = RunConfig(rules=tuple(rules), policy=policy_path, output=output, kernel=KernelConfig())
    ruleset, policy = load_documents(config, find_data().rules)
    matcher = Matcher(ruleset, lambda _rule, _error: counters.add(Count.ENGINE_RULE_FAILED))
    sink = make_sink(config, counters)

    def build(context: ReplayContext) -> _Replayed:
        header = context.header
        in_force = policy if policy_path or not context.documents else recorded_policy(context, [rule.id for rule in ruleset.rules])
        in_force.is_host_in_scope = header.settings.get(_HOST, "yes") != "no"
        builder = FindingBuilder(
            FindingContext(boot_id=header.boot_id, clock=context.clock, redactor=Redactor(RedactConfig()), node=header.node_name, replayed=True)
        )
        pipeline = _Replayed(
            match=matcher.match,
            policy=in_force,
            builder=builder,
            aggregator=Aggregator(context.clock),
            sinks=(sink,),
            counters=counters,
            failed=lambda _what, _error: None,
        )
        pipeline.around = RecordedAround(counters)
        return pipeline

    def recompute(event: Any) -> int:  # noqa: ANN401  # the event classes are generated
        return survivors(ruleset.clauses.get(event.kind_name, ()), event)

    report = replay_recording(path, build, recompute=recompute, counters=counters)
    sys.stderr.write(f"{report.frames} frames, {report.ending.value}\n" + render(counters.snapshot()))
    sink.close()
    return 0
