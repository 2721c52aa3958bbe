# SPDX-License-Identifier: Apache-2.0
"""The commands that tell or get ready: rules, ps, doctor, version, support, offsets, prepare. Each returns the process's exit code."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from sensor.ask import at_port, at_socket
from sensor.core.errors import EnvironmentRefusal, ProbeError, UsageError
from sensor.core.kernel import running_kernel
from sensor.core.paths import find_data
from sensor.engine.redact import RedactConfig, Redactor
from sensor.version import own_version

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from sensor.ask import Ask
    from sensor.core.config import KernelConfig

_WATCH_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"  # ECMA-48: CUP, ED


def rules_status(options: argparse.Namespace) -> int:
    """Tell what each rule can see, as the running sensor says."""
    from sensor.health.state import RuleState, RuleStatus, render_rules  # noqa: PLC0415  # only here

    answer = _asker(options)("/rules")
    try:
        rules = {name: RuleStatus(RuleState(value["status"]), str(value["reason"])) for name, value in json.loads(answer).items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EnvironmentRefusal("what answers there is not this sensor", hint="name the port or the socket that scout run was given") from error
    sys.stdout.write(render_rules(rules))
    return 0


def _asker(options: argparse.Namespace) -> Ask:
    return at_port(options.status_port) if options.status_port else at_socket(options.status_socket)


def ps(socket: Path, *, as_json: bool, watch: bool = False, wait: Callable[[float], bool] | None = None) -> int:
    """List the containers that the sensor knows; with *watch* again and again, until *wait* says that it is enough."""
    from sensor.workloads.listing import render  # noqa: PLC0415  # only here

    wait = wait or threading.Event().wait
    anew = _CLEAR if watch and sys.stdout.isatty() else ""
    while True:
        answer = at_socket(socket)("/workloads")
        try:
            rows = json.loads(answer)
            text = render(rows)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise EnvironmentRefusal("what answers there is not this sensor", hint="name the socket that scout run was given") from error
        sys.stdout.write(anew + (json.dumps(rows, indent=None if watch else 1) + "\n" if as_json else text))
        sys.stdout.flush()
        if not watch or wait(_WATCH_S):
            return 0


def doctor(*, as_json: bool) -> int:
    """Tell what this node offers."""
    from sensor.doctor import render as doctor_render  # noqa: PLC0415  # only here
    from sensor.doctor.checks import examine, exit_code  # noqa: PLC0415
    from sensor.doctor.facts import gather  # noqa: PLC0415
    from sensor.probes.offsets.resolve import Places  # noqa: PLC0415

    data = find_data()
    checks = examine(gather(Places(tables=data.offsets if data.offsets.is_dir() else None)))
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.write(doctor_render.as_json(checks) if as_json else doctor_render.as_text(checks, colour=colour))
    return exit_code(checks)


def version(*, as_json: bool) -> int:
    """Tell what is installed."""
    own = own_version(find_data())
    sys.stdout.write((json.dumps(own.as_dict()) if as_json else own.as_text()) + "\n")
    return 0


def support(options: argparse.Namespace) -> int:
    """Write the archive for a bug report; what needs a running sensor and finds none is named in it as missing."""
    from sensor.doctor import render as doctor_render  # noqa: PLC0415  # only here
    from sensor.doctor.checks import examine  # noqa: PLC0415
    from sensor.doctor.facts import gather  # noqa: PLC0415
    from sensor.probes.offsets.resolve import Places  # noqa: PLC0415
    from sensor.support import write_archive  # noqa: PLC0415

    data, ask = find_data(), _asker(options)
    parts = {
        "doctor.json": lambda: doctor_render.as_json(examine(gather(Places(tables=data.offsets if data.offsets.is_dir() else None)))),
        "version.json": lambda: json.dumps(own_version(data).as_dict(), indent=1),
        "kernel.txt": lambda: str(running_kernel()),
        "counters.txt": lambda: ask("/metrics"),
        "ready.json": lambda: ask("/readyz"),
        "rules.json": lambda: ask("/rules"),
    }
    local = _not_by_port if options.status_port else ask
    parts |= {"configuration.json": lambda: local("/configuration"), "agent.log": lambda: local("/log")}
    redactor = Redactor(RedactConfig())
    missing = write_archive(options.file, parts, redact=redactor.text, mtime_s=int(time.clock_gettime(time.CLOCK_REALTIME)))
    sys.stdout.write(f"{options.file}\n" + "".join(f"left out: {line}\n" for line in missing))
    return 0


def _not_by_port(_path: str) -> str:
    raise EnvironmentRefusal("a port tells everybody who reaches it, and so not this", hint="leave --status-port out")


_PREPARED = {
    "written": "compiled and kept in {}: the next start needs no compiler\n",
    "found": "nothing to do: {} has what an earlier start compiled for this kernel\n",
}


def prepare(config: KernelConfig) -> int:
    """
    Compile the probes for this kernel and keep them, so that the next start needs no compiler; watch nothing.

    Raises:
        ProbeError: a probe is refused, or what was made cannot be kept.
    """
    from sensor.startup import Startup  # noqa: PLC0415  # only here

    session = Startup(config, find_data()).session()
    session.close()
    if session.kept not in _PREPARED:
        raise ProbeError(f"{config.cache} cannot be written, or others can write it, too", hint="make it root's own, mode 0700")
    sys.stdout.write(_PREPARED[session.kept].format(config.cache))
    return 0


def offsets(path: Path | None) -> int:
    """Write this kernel's offset table."""
    from sensor.probes.offsets.resolve import resolve  # noqa: PLC0415  # only here
    from sensor.probes.offsets.tables import dump  # noqa: PLC0415
    from sensor.probes.offsets.wanted import WANTED  # noqa: PLC0415

    text = dump(resolve(), WANTED, running_kernel())
    if path is None:
        sys.stdout.write(text)
        return 0
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file that can be written") from error
    return 0
