# SPDX-License-Identifier: Apache-2.0
"""
An archive for a bug report: what the node offers, what ran, what it counted.

It leaves the machine and is read by strangers, so it holds no secret: there is
no environment and no finding in it, and every text is redacted before it is
written: JSON value by value, so that it stays JSON, other text line by line. A part that cannot be had becomes a line that says why; a
part that is too long keeps its end, where the news is. The file is for its
owner alone (mode 0600) and never replaces another.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from itertools import groupby
from typing import TYPE_CHECKING, Any

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
_JSON = ".json"
_CUT = "[the beginning is left out]\n"

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL)
"""The one secret that spans lines (RFC 7468)."""

_NAMES = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credential|authorization|cookie)"
_SECRET_NAME = re.compile(rf"(?i){_NAMES}")

_SETTING = re.compile(
    rf"""(?ix)(?P<name>{_NAMES}[\w.-]{{0,40}}\\?["']?[ ]{{0,8}}[:=][ ]{{0,8}} | -[\w-]{{0,40}}{_NAMES}[\w-]{{0,40}}[ ]{{1,8}})
    (?:"(?:[^"\\]|\\.){{0,4000}}" | '[^']{{0,4000}}' | .+)"""
)
"""
``token: x``, ``--token x`` and the like in YAML, environment files and messages; redacted whatever *redact* makes of the line.

What is not in quotes goes to the line's end: a comma or a brace in it may be the secret's. Repeats are bounded: linear.
"""

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


def without_secrets(text: str, redact: Redact, *, is_json: bool = False) -> str:
    """
    Return *text* with private keys, secret settings and whatever *redact* finds in a line taken out, and nothing a terminal would act on.

    A line that is JSON (a log's) has its values treated so, each by itself, and is JSON afterwards; so has *text* when *is_json*.
    """
    if is_json and (whole := _json_without(text, redact, indent=1)):
        return whole + "\n"
    lines = ((_json_without(line, redact), line) for line in text.split("\n"))
    blocks = groupby(lines, key=lambda one: one[0] is None)  # a private key spans lines, but not those of JSON
    return "\n".join(
        _text_without("\n".join(line for _, line in block), redact) if plain else "\n".join(done or "" for done, _ in block) for plain, block in blocks
    )


def _text_without(text: str, redact: Redact) -> str:
    return "\n".join(_line_without(line, redact) for line in _PRIVATE_KEY.sub(_MARK, text).split("\n"))


def _line_without(line: str, redact: Redact) -> str:
    return visible(redact(_SETTING.sub(rf"\g<name>{_MARK}", _bounded(line.replace("\t", "    ")))))


def _json_without(text: str, redact: Redact, indent: int | None = None) -> str | None:
    """Return *text* without secrets when it is a JSON object or array, else None."""
    if not text.lstrip().startswith(("{", "[")):
        return None

    def clean(value: Any) -> Any:  # noqa: ANN401  # whatever JSON has
        if isinstance(value, str):
            return _text_without(value, redact)
        if isinstance(value, list):
            return [clean(item) for item in value]
        if isinstance(value, dict):
            return {clean(name): _MARK if _is_secret(name, item) else clean(item) for name, item in value.items()}
        return value

    try:
        return json.dumps(clean(json.loads(text)), indent=indent)
    except (ValueError, RecursionError):  # no JSON, or none that a sensor writes: text like any other
        return None


def _is_secret(name: str, value: object) -> bool:
    """Whether a member is a secret by its name; what has members of its own is a rule of that name."""
    return value is not None and not isinstance(value, dict | bool) and bool(_SECRET_NAME.search(name))


def _bounded(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]} [the rest of the line is left out]"


def _collect(parts: Mapping[str, Part], redact: Redact) -> tuple[dict[str, bytes], list[str]]:
    contents: dict[str, bytes] = {}
    missing: list[str] = []
    for name, make in parts.items():
        try:
            text = make()
        except (ScoutError, OSError) as error:
            hint = f" ({error.hint})" if isinstance(error, ScoutError) and error.hint else ""
            missing.append(f"{name}: {visible(str(error))}{visible(hint)}")
            continue
        whole = text[-MAX_PART_BYTES:]  # characters first, so that a huge text is not redacted whole
        content = without_secrets(whole, redact, is_json=name.endswith(_JSON)).encode("utf-8", "backslashreplace")
        if len(content) > MAX_PART_BYTES or len(whole) < len(text):
            kept = content[-(MAX_PART_BYTES - len(_CUT)) :].decode("utf-8", "ignore")
            content = (_CUT + kept).encode()
        contents[name] = content
    if missing:
        contents["missing.txt"] = ("\n".join(without_secrets(line, redact) for line in missing) + "\n").encode("utf-8", "backslashreplace")
    return contents, missing
