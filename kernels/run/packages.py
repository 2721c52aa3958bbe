# SPDX-License-Identifier: Apache-2.0
"""
Fetch one named package of another suite without letting that suite near the machine.

apt runs with a configuration, lists, status file and cache of its own, all in
the guest cache; nothing is installed. Package names of kernels change with
every security update, so a *pattern* is resolved to the newest name there is,
by version and not by spelling. apt checks the archive's signature and the
package's hash.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from kernels.run.commands import run
from kernels.run.errors import ArchiveError, BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from kernels.run.sources import Mirror

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"  # Debian's package debian-archive-keyring, on every Debian


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package version of the archive."""

    name: str
    version: str

    @property
    def key(self) -> str:
        """A file name for it; versions may hold colons and tildes, which are fine in one."""
        return f"{self.name}_{self.version}"


class Suite:
    """One suite of the archive, with apt files of its own in *folder*."""

    def __init__(self, name: str, mirror: Mirror, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._env = {"APT_CONFIG": str(folder / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        lines = [f"deb [signed-by={KEYRING}] {mirror.archive} {name} main"]
        if mirror.security:
            lines.append(f"deb [signed-by={KEYRING}] {mirror.security} {name}-security main")
        (folder / "sources.list").write_text("\n".join(lines) + "\n")
        (folder / "apt.conf").write_text(
            f'Dir::State "{folder}";\n'
            'Dir::State::status "/dev/null";\n'  # nothing is installed, as far as this apt knows
            f'Dir::Cache "{folder}/cache";\n'
            f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferencesparts "/dev/null";\n'
            'APT::Sandbox::User "root";\n'  # the cache is root's alone, so apt's own user could not write there
            'Acquire::Languages "none";\n'
        )

    def update(self) -> bool:
        """Fetch the lists anew. False when that failed but older lists are there to go on with (no network)."""
        try:
            run(["apt-get", "-qq", "update"], env=self._env)
        except BuildFailed as error:
            if any((self._folder / "lists").glob("*_Packages*")):
                return False
            raise ArchiveError(f"cannot fetch the lists of {self.name}: {error}") from error
        return True

    def newest(self, pattern: str) -> Package:
        """
        The newest package whose name matches *pattern* (``*`` and ``?``, as in a shell).

        Raises:
            ArchiveError: none matches.
        """
        prefix = pattern[: min((pattern.find(mark) for mark in "*?[" if mark in pattern), default=len(pattern))]
        names = run(["apt-cache", "pkgnames", prefix], env=self._env).decode().split()
        found = [Package(name=name, version=version) for name in names if fnmatchcase(name, pattern) for version in self._versions(name)]
        if not found:
            raise ArchiveError(f"{self.name} has no package {pattern}")
        return _newest(found)

    def _versions(self, name: str) -> list[str]:
        """Each line of ``apt-cache madison`` is ``name | version | source``."""
        lines = run(["apt-cache", "madison", name], env=self._env).decode().splitlines()
        return [line.split("|")[1].strip() for line in lines if line.count("|") >= 2]  # noqa: PLR2004  # two separators, three columns

    def unpack(self, package: Package, into: Path) -> None:
        """Download *package* and unpack its files into the new folder *into*; its scripts do not run."""
        download = into.with_name(f"{into.name}.deb")
        shutil.rmtree(download, ignore_errors=True)
        download.mkdir()
        run(["apt-get", "-qq", "download", f"{package.name}={package.version}"], env=self._env, cwd=download)
        debs = list(download.glob("*.deb"))
        if len(debs) != 1:
            raise ArchiveError(f"apt downloaded {len(debs)} files for {package.key}")
        run(["dpkg", "-x", debs[0], into])
        shutil.rmtree(download)


def _newest(packages: list[Package]) -> Package:
    newest = packages[0]
    for package in packages[1:]:
        if compare_versions(package.version, newest.version) > 0:
            newest = package
    return newest


def compare_versions(one: str, other: str) -> int:
    """Debian's order of versions (deb-version(7)): negative, 0 or positive, as dpkg decides it."""
    if one == other:
        return 0
    try:
        run(["dpkg", "--compare-versions", one, "lt", other])
    except BuildFailed:
        return 1
    return -1
