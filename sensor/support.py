# SPDX-License-Identifier: Apache-2.0
"""
An archive for a bug report: what the node offers, what ran, what it counted.

It leaves the machine and is read by strangers, so it holds no secret: there is
no environment and no finding in it, and every text is redacted line by line
before it is written. A part that cannot be had becomes a line that says why; a
part that is too long keeps its end, where the news is. The file is for its
owner alone (mode 0600) and never replaces another.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from typing import TYPE_CHECKING

from sensor.core.errors import ScoutError, UsageError
from sensor.core.escape import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Redact = Callable[[str], str]
    """One line of text → the same without secrets (`sensor.engine.redact.Redactor.text`)."""

    Part = Callable[[], str]
    """Makes one file's text; may raise ScoutError or OSError."""

MAX_PART_BYTES = 4 << 20
"""Most of one file: a log of about 30,000 lines."""

MAX_PARTS = 32
"""Most files; each is named by the caller."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CUT = "[the beginning is left out]\n"

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL)
"""The one secret that spans lines (RFC 7468)."""

_SETTING = re.compile(
    r"""(?ix)(?P<name>(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credential|authorization|cookie)[\w.-]{0,40}["']?
    [ ]{0,8}[:=][ ]{0,8})(?:"[^"]{0,4000}"|'[^']{0,4000}'|[^,}]+)"""
)
"""``token: x`` and the like in YAML, JSON and environment files; redacted whatever *redact* makes of the line. Repeats are bounded: linear."""

MAX_LINE_CHARACTERS = 16_000
"""Most of one line, so that no line is dear to redact; logs and findings are shorter."""

_MARK = "[redacted]"


def write_archive(path: Path, parts: Mapping[str, Part], *, redact: Redact, mtime_s: int) -> list[str]:
    """
    Write the archive.

    Args:
        path: a new file, ``….tar.gz``.
        parts: file name in the archive → what makes its text: ``doctor.json``, ``version.json``,
            ``counters.json``, ``configuration.yaml``, ``agent.log``.
        redact: takes secrets out of a line.
        mtime_s: time that the files bear, seconds since the epoch.

    Returns:
        What could not be had, a sentence each; the archive says the same in ``missing.txt``.

    Raises:
        UsageError: the file is there already, or cannot be written; or a part's name is no plain name.
    """
    if len(parts) > MAX_PARTS:
        raise UsageError(f"{len(parts)} parts, {MAX_PARTS} is the most")
    bad = [name for name in parts if not _NAME.fullmatch(name)]
    if bad:
        raise UsageError(f"no name for a file in the archive: {bad[0]!r:.80}")
    contents, missing = _collect(parts, redact)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file that is not there yet: scout support FILE.tar.gz") from error
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"scout-support/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, mtime_s
            tar.addfile(entry, io.BytesIO(content))
    return missing


def without_secrets(text: str, redact: Redact) -> str:
    """Return *text* with private keys, secret settings and whatever *redact* finds in a line taken out, and nothing a terminal would act on."""
    lines = _PRIVATE_KEY.sub(_MARK, text).replace("\t", "    ").split("\n")
    return "\n".join(visible(redact(_SETTING.sub(rf"\g<name>{_MARK}", _bounded(line)))) for line in lines)


def _bounded(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]} [the rest of the line is left out]"


def _collect(parts: Mapping[str, Part], redact: Redact) -> tuple[dict[str, bytes], list[str]]:
    contents: dict[str, bytes] = {}
    missing: list[str] = []
    for name, make in parts.items():
        try:
            text = make()
        except (ScoutError, OSError) as error:
            missing.append(f"{name}: {visible(str(error))}")
            continue
        whole = text[-MAX_PART_BYTES:]  # characters first, so that a huge text is not redacted whole
        content = without_secrets(whole, redact).encode("utf-8", "backslashreplace")
        if len(content) > MAX_PART_BYTES or len(whole) < len(text):
            kept = content[-(MAX_PART_BYTES - len(_CUT)) :].decode("utf-8", "ignore")
            content = (_CUT + kept).encode()
        contents[name] = content
    if missing:
        contents["missing.txt"] = ("\n".join(without_secrets(line, redact) for line in missing) + "\n").encode("utf-8", "backslashreplace")
    return contents, missing
