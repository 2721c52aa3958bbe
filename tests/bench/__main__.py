# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.bench``: measure, print the table, say what rose. Exit code 1 when a bound was missed, 4 when nothing can be measured here."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.bench import measure, report
from tests.bench.build import HERE, ROOT, BenchError
from tests.bench.figures import figures

REFERENCE = HERE / "reference.json"
MANUAL = ROOT / "docs" / "performance.md"
QUICK_SCALE, QUICK_ACTS = 0.05, 10


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="What Scout costs, beside a floor measured in the same run (root).")
    parser.add_argument("--rounds", type=int, default=9, help="alternations of off, scout and floor (default: %(default)s)")
    parser.add_argument("--only", default=",".join(measure.PARTS), metavar="PART,…", help="some of: %(default)s")
    parser.add_argument("--quick", action="store_true", help="one round of a twentieth: whether it works, not how fast it is")
    parser.add_argument("--acts", type=int, default=100, help="marked acts per latency (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw measurements and the figures there")
    parser.add_argument("--markdown", action="store_true", help=f"write the generated block of {MANUAL.relative_to(ROOT)}")
    parser.add_argument("--store", action="store_true", help=f"keep the figures as {REFERENCE.relative_to(ROOT)}")
    parser.add_argument("--sensor", default="", metavar="COMMAND", help="measure this command instead of scout; it must print a line per open of /etc/shadow")
    options = parser.parse_args()
    parts = options.only.split(",")
    if unknown := sorted(set(parts) - set(measure.PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; parts are {', '.join(measure.PARTS)}")
    plan = measure.Plan(
        parts=parts,
        rounds=1 if options.quick else options.rounds,
        scale=QUICK_SCALE if options.quick else 1.0,
        acts=QUICK_ACTS if options.quick else options.acts,
        sensor=options.sensor,
    )
    try:
        if os.geteuid() != 0 and set(parts) != {"micro"}:
            raise BenchError("this loads programs into the kernel, which needs root: sudo make bench")
        results = measure.measure(plan)
        found = figures(results)
        sys.stdout.write(report.table(found))
        if options.json:
            verdicts = {figure.name: {"value": figure.value, "must": figure.must, "verdict": figure.verdict} for figure in found}
            options.json.write_text(json.dumps({"results": results.as_json(), "figures": verdicts}, indent=1) + "\n", encoding="utf-8")
        if options.markdown:
            report.write_markdown(MANUAL, report.markdown(results, found))
        for line in report.risen(REFERENCE, found):
            sys.stdout.write(f"risen: {line}\n")
        if options.store:
            report.store(REFERENCE, results, found)
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 4
    return 1 if any(figure.verdict == "MISSED" for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
