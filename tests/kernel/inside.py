# SPDX-License-Identifier: Apache-2.0
"""
What runs in the guest: the live tests, once for each form of the sensor.

``python inside.py RESULTS TESTS SECONDS`` runs the folder TESTS twice, each
time at most SECONDS:

``as-is``
    with what the guest's kernel offers (``SCOUT_FEATURES=all``);
``oldest``
    with everything newer than 4.14 switched off by hand: the environment says
    ``SCOUT_FEATURES=oldest`` and ``SCOUT_OFFSETS=FILE``, and the kernel's BTF is
    covered, so that nothing can read it behind our back.

Both with ``SCOUT_SLOW=20``, by which the live tests stretch their deadlines, and
``SCOUT_REPORT=FOLDER``, where they leave the programs as they were loaded. In
RESULTS: ``facts.json``, ``offsets.json``, and for each form a folder with
``junit.xml``, ``status`` and what the tests left.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

BTF = Path("/sys/kernel/btf")
SLOW = "20"  # emulation on a busy host, against the machine itself


def facts() -> dict[str, object]:
    """What the kernel is and offers, in the sensor's own eyes."""
    from sensor.probes.features import detect
    from sensor.probes.offsets.tracepoints import find_tracefs

    return {
        "release": os.uname().release,
        "btf": (BTF / "vmlinux").is_file(),
        "features": dataclasses.asdict(detect(find_tracefs())),
    }


def offsets() -> str:
    """A table of this kernel's offsets, made from its BTF by the sensor."""
    from sensor.core.kernel import running_kernel
    from sensor.probes.offsets.resolve import resolve
    from sensor.probes.offsets.tables import dump
    from sensor.probes.offsets.wanted import WANTED

    return dump(resolve(source_order=("btf",)), WANTED, running_kernel())


def run_form(form: str, results: Path, tests: str, seconds: str, environment: dict[str, str]) -> None:
    """Run the tests, leave a report; an interrupt at the deadline lets pytest write what it has."""
    report = results / form
    report.mkdir()
    print(f"guest: form {form}", flush=True)  # noqa: T201  # to the console
    pytest = [sys.executable, "-m", "pytest", *tests.split(), "-p", "no:cacheprovider", "-vv", "--durations=5", "-o", "faulthandler_timeout=300"]
    done = subprocess.run(
        ["timeout", "--signal=INT", "--kill-after=30", seconds, *pytest, f"--junit-xml={report / 'junit.xml'}"],
        env={**os.environ, "SCOUT_SLOW": SLOW, "SCOUT_REPORT": str(report), **environment},
        check=False,
    )
    (report / "status").write_text(f"{done.returncode}\n")


def main() -> None:
    """All of it, in order; a form that fails does not keep the other from running."""
    results, tests, seconds = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    (results / "facts.json").write_text(json.dumps(facts(), indent=2) + "\n")
    (results / "offsets.json").write_text(offsets())
    run_form("as-is", results, tests, seconds, {"SCOUT_FEATURES": "all"})
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(BTF)], check=True)
    run_form("oldest", results, tests, seconds, {"SCOUT_FEATURES": "oldest", "SCOUT_OFFSETS": str(results / "offsets.json")})


if __name__ == "__main__":
    main()
