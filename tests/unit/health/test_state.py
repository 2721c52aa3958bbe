# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from sensor.health.state import Health, ProbeStatus, RuleState, RuleStatus, render_rules

LANES = ("common", "reserved")


def test_ready_is_proven_by_acts_of_our_own():
    """Not before the probes are loaded, and then only when each kind has come back through each lane."""
    health = Health()
    assert health.waiting_for() == ("the probes are being loaded",)
    health.expect((kind, lane) for kind in ("exec", "open") for lane in LANES)
    for kind in ("exec", "open"):
        for lane in LANES:
            assert not health.ready()
            assert any(f"no {kind} of our own has come back through the {lane} lane" in reason for reason in health.waiting_for())
            health.seen(kind, lane)
    health.seen("connect", "common")
    assert health.ready()
    health.expect([("exec", "common")])
    assert not health.ready()


def test_no_probe_is_not_ready():
    """A sensor that could load nothing sees nothing, and says so."""
    health = Health()
    health.expect([])
    assert health.waiting_for() == ("no probe is attached",)


def test_degraded_is_said_and_does_not_take_readiness_away():
    """Three of four probes are worth having; the fourth's reason is told until it recovers."""
    health = Health()
    health.probe("open", ProbeStatus(attached=True))
    health.probe("connect", ProbeStatus(attached=False, reason="verifier: invalid mem access"))
    health.expect([("open", "common")])
    health.seen("open", "common")
    health.degrade("policy", "file.yaml line 3")
    assert health.ready()
    assert health.degraded() == {"probe connect": "verifier: invalid mem access", "policy": "file.yaml line 3"}
    health.recover("policy")
    health.recover("policy")
    health.probe("connect", ProbeStatus(attached=True))
    assert health.degraded() == {}


def test_alive_asks_who_must_be_running():
    """A thread that ended and a failure told make the sensor not alive, and not ready."""
    health = Health()
    running = [True]
    health.watch("drain", lambda: running[0])
    health.expect([("open", "common")])
    health.seen("open", "common")
    assert health.not_alive() == {}
    running[0] = False
    assert health.not_alive() == {"drain": "is not running"}
    health.fail("stream", "the ring is gone")
    assert health.not_alive() == {"drain": "is not running", "stream": "the ring is gone"}
    assert health.waiting_for() == ("stream has failed: the ring is gone",)


def test_rules_are_shown_worst_first_and_escaped():
    """What is blind stands on top with its reason; names and reasons cannot write to the terminal."""
    rules = {
        "A quiet rule": RuleStatus(RuleState.ACTIVE),
        "evil\x1b[2J": RuleStatus(RuleState.BLIND, "no probe\nfor connect"),
        "Half": RuleStatus(RuleState.DEGRADED, "connect is missing"),
    }
    text = render_rules(rules)
    lines = text.splitlines()
    assert lines[0] == "3 rules: 1 active, 1 degraded, 1 blind"
    assert [line.split()[0] for line in lines[1:]] == ["evil\\x1b[2J", "Half", "A"]
    assert "no probe\\x0afor connect" in lines[1]
    assert render_rules({}) == "no rules are loaded\n"


def test_rules_are_replaced_as_a_whole():
    """After a load nothing of the rules before is left."""
    health = Health()
    health.set_rules({"a": RuleStatus(RuleState.ACTIVE)})
    health.set_rules({"b": RuleStatus(RuleState.BLIND, "x")})
    assert list(health.rules()) == ["b"]
