# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.errors import DocumentError
from sensor.engine.redact import MARK, ProgramFlags, RedactConfig, Redactor

REDACTOR = Redactor(RedactConfig())


@pytest.mark.parametrize(
    ("args", "redacted"),
    [
        (["x", "--password", "S"], ["x", "--password", MARK]),
        (["x", "--password=S with spaces"], ["x", f"--password={MARK}"]),
        (["env", "DB_PASSWORD=S with spaces", "x"], ["env", f"DB_PASSWORD={MARK}", "x"]),
        (["mysql", "-u", "root", "-pS"], ["mysql", "-u", "root", f"-p{MARK}"]),
        (["sudo", "/usr/bin/mysqldump", "-pS", "db"], ["sudo", "/usr/bin/mysqldump", f"-p{MARK}", "db"]),
        (["sshpass", "-p", "S", "ssh", "h"], ["sshpass", "-p", MARK, "ssh", "h"]),
        (["docker", "login", "-u", "me", "-p", "S"], ["docker", "login", "-u", "me", "-p", MARK]),
        (["curl", "-u", "me:S", "http://h/"], ["curl", "-u", MARK, "http://h/"]),
        (["curl", "--user=me:S", "http://h/"], ["curl", f"--user={MARK}", "http://h/"]),
        (["curl", "-H", "Authorization: Bearer S", "http://h/"], ["curl", "-H", f"Authorization: {MARK}", "http://h/"]),
        (["curl", "-H", "X-Api-Key: S"], ["curl", "-H", f"X-Api-Key: {MARK}"]),
        (["curl", "-d", '{"token": "S and more", "a": 1}'], ["curl", "-d", f'{{"token": "{MARK}", "a": 1}}']),
        (["curl", "http://h/x?access_token=S&b=1"], ["curl", f"http://h/x?access_token={MARK}&b=1"]),
        (["git", "clone", "https://me:S@h/r.git"], ["git", "clone", f"https://me:{MARK}@h/r.git"]),
        (["aws", "AKIAIOSFODNN7EXAMPLE"], ["aws", MARK]),
        (["export", "AWS_SECRET_ACCESS_KEY=S"], ["export", f"AWS_SECRET_ACCESS_KEY={MARK}"]),
        (["x", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"], ["x", MARK]),
        (["x", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA"], ["x", f"-----BEGIN RSA PRIVATE KEY-----{MARK}-----END RSA"]),
        (["openssl", "rsa", "-passin", "pass:S"], ["openssl", "rsa", "-passin", MARK]),
        (["sh", "-c", "TOKEN=S; rm -rf /"], ["sh", "-c", f"TOKEN={MARK}; rm -rf /"]),
        (["sh", "-c", 'mysql -pS "a b" && curl -u me:S h'], ["sh", "-c", f'mysql -p{MARK} "a b" && curl -u {MARK} h']),
        (["sh", "-c", "ssh h 'sh -c \"curl -u me:S h\"'"], ["sh", "-c", f"ssh h 'sh -c \"curl -u {MARK} h\"'"]),
        (["postgres: me pass='S T' x"], [f"postgres: me pass='{MARK}' x"]),
    ],
)
def test_a_secret_is_taken_out_and_its_surroundings_stay(args, redacted):
    """Each form in which people pass secrets loses the secret and nothing else."""
    assert REDACTOR.args(args) == redacted


@pytest.mark.parametrize(
    "args",
    [
        ["cat", "/etc/passwd"],
        ["docker", "run", "-p", "80:80", "-v", "/etc/passwd:/etc/passwd:ro", "i"],
        ["x", "--password-file=/run/secret", "--bypass=1"],
        ["git", "commit", "--author=me"],
        ["ssh", "-oPasswordAuthentication=no", "-p", "22", "h"],
        ["nc", "-p", "4444", "-e", "/bin/sh"],
        ["env", "PWD=/root", "sh"],
        ["curl", "http://192.0.2.1:8080/a@b"],
        [],
    ],
)
def test_what_only_looks_like_a_secret_stays(args):
    """Evidence is not lost to words that merely resemble a secret's name."""
    assert REDACTOR.args(args) is None


def test_a_cut_command_line_hides_the_beginning_of_a_password():
    """A URL whose @ was cut off is redacted; the same URL of a whole command line has a port."""
    args = ["git", "clone", "https://me:S3cr"]
    assert REDACTOR.args(args, cut=True) == ["git", "clone", f"https://me:{MARK}"]
    assert REDACTOR.args(args) is None


def test_text_is_treated_like_a_command_line():
    """A message that quotes a command line loses the secrets in it."""
    text = "shell (command=mysql -u root -pS parent=curl -H Authorization: Bearer S user=root)"
    assert REDACTOR.text(text) == f"shell (command=mysql -u root -p{MARK} parent=curl -H Authorization: {MARK} user=root)"
    assert REDACTOR.text("cat /etc/shadow") == "cat /etc/shadow"


def test_a_path_loses_shapes_and_keeps_names():
    """A path is evidence: only a secret's own shape, as in a URL the kernel wrote as a path, is taken out of it."""
    assert REDACTOR.path("/srv/https:/me:S@h/x") == f"/srv/https:/me:{MARK}@h/x"
    assert REDACTOR.path("/tmp/password=1") == "/tmp/password=1"
    assert REDACTOR.may_hold_secret("/a\0/b") is False


def test_off_shows_everything():
    """enabled=False is the one way to see command lines as they were."""
    redactor = Redactor(RedactConfig(enabled=False))
    assert redactor.args(["mysql", "-pS"]) is None
    assert redactor.text("password=S") == "password=S"
    assert redactor.path("https://a:S@h") == "https://a:S@h"


def test_patterns_are_tunable():
    """A site's own names, shapes and programs are found like the built-in ones, and only they."""
    redactor = Redactor(
        RedactConfig(names=("geheim",), innocent_names=(), shapes=(r"K-\d{4}",), programs=(ProgramFlags(programs=("tool",), separate=("-z",)),))
    )
    assert redactor.args(["tool", "-z", "S", "--geheim=S", "K-1234", "--password=x"]) == ["tool", "-z", MARK, f"--geheim={MARK}", MARK, "--password=x"]


def test_nothing_configured_redacts_nothing():
    """Empty tuples are a valid configuration."""
    redactor = Redactor(RedactConfig(names=(), innocent_names=(), shapes=(), programs=()))
    assert redactor.args(["mysql", "-pS", "--password=S"]) is None


def test_a_bad_pattern_is_refused_when_it_is_configured():
    """A pattern that cannot be run in linear time never reaches the hot path."""
    with pytest.raises(DocumentError, match="bad regular expression"):
        Redactor(RedactConfig(shapes=(r"(?=x)",)))


@pytest.mark.parametrize(
    "args", [["sh", "-c", "pass=x " * 290], ["x", *["--token"] * 250], ["sh", "-c", "\"'" * 1000 + " pass="], ["sh", "-c", 'pass="' + '\\"' * 1000]]
)
def test_hostile_command_lines_are_finished(args):
    """Command lines made to be slow, as long as a frame carries, come back, with as many arguments."""
    redacted = REDACTOR.args(args)
    assert redacted is None or len(redacted) == len(args)
