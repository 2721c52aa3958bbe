# SPDX-License-Identifier: Apache-2.0
"""
One boot for each kernel of the matrix that CI runs; every test of it reads the same results.

What a guest left stays in ``build/guest/<id>``: reports, programs, the console.
``SCOUT_GUEST_SECONDS`` is the most each form of the live tests may take there.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from kernels.matrix import MATRIX, MatrixKernel, load_matrix
from kernels.run.commands import missing_tools
from kernels.run.guest import CHECKOUT, run_in_guest

if TYPE_CHECKING:
    from pathlib import Path

FORM_SECONDS = 850  # the group's limit in ci/test holds two of these
BOOT_SECONDS = 120  # three seconds in fact

GUEST_TESTS = " ".join(
    f"tests/bpf/test_{name}.py" for name in ("programs", "offsets", "identity", "open", "exec", "connect", "exit", "classify", "generations")
)
"""What depends on the kernel. The agent as a process does not, and each of its starts takes most of a minute in an emulated machine."""

KERNELS = [kernel for kernel in load_matrix(MATRIX.read_text(), MATRIX.name).kernels if kernel.ci]


@dataclass(frozen=True)
class Outcome:
    """What the live tests said in one form."""

    status: int
    passed: frozenset[str]
    failed: dict[str, str]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Guest:
    """One kernel's run."""

    kernel: MatrixKernel
    results: Path

    def facts(self) -> dict:
        """What the sensor found the kernel to offer."""
        return json.loads((self.results / "facts.json").read_text())

    def outcome(self, form: str) -> Outcome:
        """The live tests' own report in *form*."""
        report = self.results / form
        outcome = Outcome(int((report / "status").read_text()), frozenset(), {}, {})
        if not (report / "junit.xml").is_file():
            return outcome
        passed = set()
        for case in ET.parse(report / "junit.xml").iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            skip = case.find("skipped")
            if bad is not None:
                outcome.failed[name] = f"{bad.get('message')}\n{bad.text}"
            elif skip is not None:
                outcome.skipped[name] = str(skip.get("message"))
            else:
                passed.add(name)
        return Outcome(outcome.status, frozenset(passed), outcome.failed, outcome.skipped)

    def programs(self, form: str) -> dict[str, bytes]:
        """Every program's instructions as given to the kernel in *form*, by the program's name."""
        return {path.stem: path.read_bytes() for path in sorted((self.results / form).rglob("*.bpf"))}


@pytest.fixture(scope="session", params=KERNELS, ids=lambda kernel: kernel.id)
def guest(request) -> Guest:
    """Boot the kernel, run the live tests in both forms, keep what they left; the console is shown as it comes."""
    if os.geteuid() != 0 or missing_tools():
        pytest.skip(f"guests need root and Debian's packages (missing: {' '.join(missing_tools()) or 'none'})")
    kernel: MatrixKernel = request.param
    results = CHECKOUT / "build" / "guest" / kernel.id
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    seconds = int(os.environ.get("SCOUT_GUEST_SECONDS") or FORM_SECONDS)
    tests = os.environ.get("SCOUT_GUEST_TESTS") or GUEST_TESTS
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with (results / "console.log").open("w") as console, capture.global_and_fixture_disabled():

        def say(line: str) -> None:
            console.write(line + "\n")
            print(f"  {kernel.id} | {line}", flush=True)  # noqa: T201  # half an hour of silence would look like a hang

        done = run_in_guest(
            suite=kernel.suite,
            package=kernel.package,
            command=f".venv/bin/python -m tests.kernel.inside /results '{tests}' {seconds}",
            results=results,
            timeout_s=2 * seconds + BOOT_SECONDS,
            say=say,
        )
    assert done.status == 0, f"tests/kernel/inside.py failed in the guest; see {results / 'console.log'}"
    return Guest(kernel, results)
