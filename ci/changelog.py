#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Build CHANGELOG.md from fragments.

    ci/changelog.py check                     every fragment is well formed
    ci/changelog.py show                      the section that the fragments make
    ci/changelog.py release VERSION DATE      put that section into CHANGELOG.md, remove the fragments

A change that users notice adds one file ``ci/changelog.d/NAME.KIND.md``; two
changes never touch the same line. The first line is the news in one sentence;
what follows, if anything, is what a user has to know or do. No headings: the
section makes them. Exit code 3 when a fragment is wrong, all of them named.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("added", "changed", "fixed", "security")
NAME = re.compile(rf"^[a-z0-9]+(-[a-z0-9]+)*\.({'|'.join(KINDS)})\.md$")
MARK = "<!-- releases -->"
WIDTH_CHARS = 160


def fragments(root: Path) -> list[Path]:
    """Return the fragments in order of name."""
    return sorted(path for path in (root / "ci" / "changelog.d").iterdir() if path.name != "README.md")


def problems_of(path: Path) -> list[str]:
    """Return what is wrong with one fragment."""
    if not NAME.match(path.name):
        return [f"{path.name}: the name is NAME.KIND.md, NAME of a-z, 0-9 and -, KIND one of {', '.join(KINDS)}"]
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0].strip():
        return [f"{path.name}:1: the first line is the news in one sentence"]
    problems = [] if lines[0].endswith(".") else [f"{path.name}:1: a sentence ends with a full stop"]
    problems += [f"{path.name}:{number}: longer than {WIDTH_CHARS} characters" for number, line in enumerate(lines, 1) if len(line) > WIDTH_CHARS]
    problems += [f"{path.name}:{number}: no heading, no list at the margin" for number, line in enumerate(lines, 1) if re.match(r"[#*-]", line)]
    return problems


def section(root: Path) -> str:
    """Return what the fragments say, one heading per kind that has news."""
    parts = []
    for kind in KINDS:
        entries = [path.read_text(encoding="utf-8").rstrip() for path in fragments(root) if path.name.endswith(f".{kind}.md")]
        if entries:
            parts.append(f"### {kind.capitalize()}\n\n" + "\n".join("* " + entry.replace("\n", "\n  ") for entry in entries) + "\n")
    return "\n".join(parts)


def release(root: Path, version: str, date: str) -> None:
    """Put the section for *version* on top of CHANGELOG.md and remove the fragments."""
    changelog = root / "CHANGELOG.md"
    before, mark, after = changelog.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise SystemExit(f"CHANGELOG.md has no line {MARK}")
    changelog.write_text(f"{before}{mark}\n\n## {version} ({date})\n\n{section(root).rstrip()}{after}", encoding="utf-8")
    for path in fragments(root):
        path.unlink()


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Do what the command line says and return the exit code."""
    match arguments:
        case ["check" | "show" | "release", *rest]:
            problems = [problem for path in fragments(root) for problem in problems_of(path)]
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 3
    match arguments:
        case ["show"]:
            print(section(root), end="")
        case ["release", version, date] if re.fullmatch(r"\d+\.\d+\.\d+", version) and re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            release(root, version, date)
        case ["check"]:
            pass
        case _:
            print(f"cannot read: {' '.join([arguments[0], *rest])}; a release is VERSION (1.2.3) and DATE (2026-01-31)", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
