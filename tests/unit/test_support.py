# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import stat
import tarfile

import pytest

from sensor import support
from sensor.core.errors import KernelUnsupported, UsageError
from sensor.support import MAX_LINE_CHARACTERS, without_secrets, write_archive

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"


def unchanged(line: str) -> str:
    """A redactor that finds nothing."""
    return line


def read(path) -> dict[str, str]:
    """Name → text of an archive's files."""
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read().decode() for entry in tar}


def test_an_archive_holds_what_it_was_given(tmp_path):
    """One file a part below one folder, readable by its owner alone, with the given time."""
    path = tmp_path / "s.tar.gz"
    assert write_archive(path, {"doctor.json": lambda: "{}", "agent.log": lambda: "a\nb\n"}, redact=unchanged, mtime_s=7) == []
    assert read(path) == {"scout-support/doctor.json": "{}\n", "scout-support/agent.log": "a\nb\n"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as tar:
        assert {entry.mtime for entry in tar} == {7}


def test_a_part_that_cannot_be_had_is_said(tmp_path):
    """The others are written all the same."""

    def fails():
        raise KernelUnsupported("no BTF", hint="name a table")

    path = tmp_path / "s.tar.gz"
    missing = write_archive(path, {"doctor.json": fails, "counters.json": lambda: "{}"}, redact=unchanged, mtime_s=0)
    assert missing == ["doctor.json: no BTF (name a table)"], "and what to do"
    assert read(path)["scout-support/missing.txt"] == "doctor.json: no BTF (name a table)\n"
    assert "scout-support/counters.json" in read(path)


def test_nothing_is_overwritten(tmp_path):
    """Neither a file nor what a link leads to."""
    (tmp_path / "there.tar.gz").write_text("x")
    (tmp_path / "link.tar.gz").symlink_to(tmp_path / "target")
    for name in ("there.tar.gz", "link.tar.gz", "none/s.tar.gz"):
        with pytest.raises(UsageError):
            write_archive(tmp_path / name, {}, redact=unchanged, mtime_s=0)
    assert (tmp_path / "there.tar.gz").read_text() == "x"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "A", "x" * 65])
def test_names_in_the_archive_are_plain(tmp_path, name):
    """A part cannot lead outside the folder it is unpacked to."""
    with pytest.raises(UsageError, match="no name"):
        write_archive(tmp_path / "s.tar.gz", {name: lambda: ""}, redact=unchanged, mtime_s=0)


def test_a_long_part_keeps_its_end(tmp_path, monkeypatch):
    """Bounded, and marked where something was left out."""
    monkeypatch.setattr(support, "MAX_PART_BYTES", 4096)
    path = tmp_path / "s.tar.gz"
    write_archive(path, {"agent.log": lambda: ("x" * 99 + "\n") * 50 + "last line"}, redact=unchanged, mtime_s=0)
    text = read(path)["scout-support/agent.log"]
    assert len(text.encode()) <= 4096
    assert text.startswith("[the beginning is left out]\n")
    assert text.endswith("last line")


@pytest.mark.parametrize(
    "line",
    [
        "token: hunter2",
        '"api_key": "hunter2",',
        "DB_PASSWORD=hunter2",
        "  webhook-secret: 'hunter2 and more'",
        "authorization: Bearer hunter2",
        "x: {password: hunter2, other: 1}",
        "password=hunter1,hunter2",
        "{password: [a, hunter2]}",
        'why="password=a}hunter2"',
        "started with --api-token hunter2",
        r'"a.yaml:3: \"password\": \"hunter2\""',
        '{"why": "a.yaml:3: \\"password\\": \\"hunter2\\""}',
        '{"told": {"api_key": ["a", "hunter2"]}}',
        '{"DB_TOKEN": "hunter2", "x": 1}',
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_secret_settings_are_taken_out_whatever_the_redactor_finds(line, is_json):
    """The archive is read by strangers."""
    shown = without_secrets(line, unchanged, is_json=is_json)
    assert "hunter2" not in shown
    assert "[redacted]" in shown


def test_json_stays_json(tmp_path):
    """Values are redacted, each by itself; what is called like a secret and is a structure is a rule of that name."""
    told = {"rules": ["/a/token=x y", "/b,c"], "Service account token read": {"status": "active"}, "deep": [{"why": f"{KEY}\nline"}], "n": 1, "no": None}
    path = tmp_path / "s.tar.gz"
    write_archive(path, {"configuration.json": lambda: json.dumps(told, indent=1)}, redact=unchanged, mtime_s=0)
    shown = json.loads(read(path)["scout-support/configuration.json"])
    assert shown == {**told, "rules": ["/a/token=[redacted]", "/b,c"], "deep": [{"why": "[redacted]\nline"}]}


def test_a_log_s_lines_are_redacted_each_by_itself():
    """A line that is JSON stays so, and takes no other along, whatever its values are; people's lines are text."""
    gone, setting = "[3 lines before these are gone]", "12:00 info password=x y"
    lines = [gone, '{"why": "-----BEGIN PRIVATE KEY-----MII"}', '{"event": "watching", "secret": "x"}', setting, ""]
    shown = without_secrets("\n".join(lines), unchanged).split("\n")
    assert shown == [lines[0], '{"why": "[redacted]"}', '{"event": "watching", "secret": "[redacted]"}', "12:00 info password=[redacted]", ""]


@pytest.mark.parametrize("text", ["{" * 100_000, "[" * 100_000 + "]" * 100_000, "{", "[1", '{"a": ' + "9" * 5_000 + "}"])
def test_what_looks_like_json_and_is_none_is_text(text):
    """It is shown as it is, as far as a line goes."""
    assert without_secrets(text, unchanged, is_json=True)[:100] == text[:100]


def test_private_keys_go_whole():
    """They span lines; one that is cut off goes too."""
    assert without_secrets(f"a\n{KEY}\nb", unchanged) == "a\n[redacted]\nb"
    assert "IBAAKC" not in without_secrets(KEY[:50], unchanged)


def test_every_line_goes_through_the_redactor_and_shows_no_control_character():
    """A log line with a terminal escape is shown escaped; tabs become spaces."""
    assert without_secrets("run mysql -pX\n\x1b[2J\tend", lambda line: line.replace("-pX", "-p*")) == "run mysql -p*\n\\x1b[2J    end"


def test_no_line_is_dear():
    """A line of any length is cut, not searched at length."""
    shown = without_secrets("token" * 1_000_000, unchanged)
    assert shown.startswith("tokentoken")
    assert shown.endswith("[the rest of the line is left out]")
    assert len(shown) < MAX_LINE_CHARACTERS + 100
