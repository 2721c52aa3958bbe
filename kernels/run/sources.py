# SPDX-License-Identifier: Apache-2.0
"""
Which mirror of Debian's archive this machine uses.

No address is written in this repository: the one the machine's administrator
chose is the one to ask for another suite's kernel too. Both notations of
sources.list(5) are read, the one-line form and deb822.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kernels.run.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator

APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Where the archive and its security updates are, by URI."""

    codename: str
    """The machine's own suite, by which the two URIs were told apart."""

    archive: str
    """The URI that has the machine's own suite."""

    security: str
    """The URI that has ``<codename>-security``; empty when the sources name none."""


def find_mirror(apt: Path = APT, os_release: Path = OS_RELEASE) -> Mirror:
    """
    Read the machine's apt sources.

    Raises:
        ArchiveError: this is no Debian, or no source has its own suite.
    """
    words = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    codename = words.get("VERSION_CODENAME", "").strip('"')
    if not codename:
        raise ArchiveError(f"{os_release} has no VERSION_CODENAME: guests are made on Debian machines")
    by_suite: dict[str, str] = {}
    for uri, suite in _entries(apt):
        by_suite.setdefault(suite, uri)
    if codename not in by_suite:
        raise ArchiveError(f"no source under {apt} has the suite {codename}, so there is no mirror to ask")
    return Mirror(codename=codename, archive=by_suite[codename], security=by_suite.get(f"{codename}-security", ""))


def _entries(apt: Path) -> Iterator[tuple[str, str]]:
    """Every (URI, suite) of the sources, in apt's order."""
    for listing in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        if listing.is_file():
            yield from _one_line(listing.read_text())
    for listing in sorted((apt / "sources.list.d").glob("*.sources")):
        yield from _deb822(listing.read_text())


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            end = next((place for place, word in enumerate(rest) if word.endswith("]")), len(rest))
            rest = rest[end + 1 :]
        if len(rest) >= 2:  # noqa: PLR2004  # URI and suite; components do not matter here
            yield rest[0], rest[1]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            else:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite
