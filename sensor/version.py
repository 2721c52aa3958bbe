# SPDX-License-Identifier: Apache-2.0
"""
What runs here: the package, the commit, the probes, the rules, the libraries.

Two reports can be compared only if it is known that they come from the same
probes and rules, so both are hashed from the files themselves. Nothing is
imported for it that the agent does not import anyway.
"""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from sensor.adapters.bccpackage import find_bcc
from sensor.adapters.btf import libbpf_version
from sensor.core.kernel import running_kernel
from sensor.core.privileges import read_text
from sensor.probes.assemble import sources_hash

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensor.core.paths import DataRoot

DISTRIBUTION = "scout-sensor"
"""The name in pyproject.toml."""

UNKNOWN = "unknown"

_HASH_CHARACTERS = 16
"""64 bits tell builds apart; nobody attacks a version string."""

_MAX_RULE_FILES = 20_000
_RULE_SUFFIXES = frozenset({".yaml", ".yml"})
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What ``scout version`` says."""

    scout: str
    """Version of the package; ``unknown`` when it is not installed."""
    commit: str
    """Git commit of the checkout it runs from; empty elsewhere."""
    probes: str
    """Hash over the BPF sources (`sensor.probes.assemble.sources_hash`)."""
    rules: str
    """Hash over the rule files (`rules_hash`)."""
    python: str
    libbcc: str
    """File name of the shared library, which has its version; empty when it is missing."""
    libbpf: str
    kernel: str

    def as_dict(self) -> dict[str, str]:
        """The same for machines, keys as the attributes."""
        return asdict(self)

    def as_text(self) -> str:
        """Aligned lines for people; what is missing says so."""
        return "\n".join(f"{name:<8}{value or 'none'}" for name, value in self.as_dict().items())


def own_version(data: DataRoot, rule_paths: Iterable[Path] | None = None) -> Version:
    """
    Tell what runs here.

    Args:
        data: where the probes and the managed rules are.
        rule_paths: rule files and folders in use; the managed rules.
    """
    return Version(
        scout=_package_version(),
        commit=commit_of(data.root),
        probes=sources_hash(data.bpf),
        rules=rules_hash([data.rules] if rule_paths is None else rule_paths),
        python=platform.python_version(),
        libbcc=find_bcc().library,
        libbpf=libbpf_version(),
        kernel=running_kernel().release,
    )


def rules_hash(paths: Iterable[Path]) -> str:
    """
    Return a hash over rule files: names below each folder and contents, in byte order.

    Comments count: what was read is what is hashed. A file that cannot be read counts as empty.
    """
    digest = hashlib.sha256()
    for path in paths:
        for name, file in _rule_files(path):
            try:
                content = file.read_bytes()
            except OSError:
                content = b""
            digest.update(name + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:_HASH_CHARACTERS]


def commit_of(root: Path) -> str:
    """
    Return the commit a checkout is at, read from its files without running git; empty when it is none.

    Source: gitrepository-layout(5). Changes that are not committed are not seen.
    """
    folder = root / ".git"
    if folder.is_file():  # a worktree: "gitdir: PATH"
        folder = root / (read_text(folder) or "").removeprefix("gitdir:").strip()
    head = read_text(folder / "HEAD") or ""
    if head.startswith("ref: "):
        name = head.removeprefix("ref: ")
        common = folder / (read_text(folder / "commondir") or ".")
        head = read_text(common / name) or _packed(read_text(common / "packed-refs") or "", name)
    return head if _COMMIT.fullmatch(head) else ""


def _packed(references: str, name: str) -> str:
    for line in references.splitlines():
        commit, _, found = line.partition(" ")
        if found == name:
            return commit
    return ""


def _rule_files(path: Path) -> list[tuple[bytes, Path]]:
    """The name that counts and the file, in byte order of the names."""
    if not path.is_dir():
        return [(path.name.encode(errors="surrogateescape"), path)]
    files = [file for file in path.rglob("*") if file.suffix in _RULE_SUFFIXES and file.is_file()]
    named = sorted((file.relative_to(path).as_posix().encode(errors="surrogateescape"), file) for file in files)
    return named[:_MAX_RULE_FILES]


def _package_version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return UNKNOWN
