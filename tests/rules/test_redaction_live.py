# SPDX-License-Identifier: Apache-2.0
"""What a process puts into its names and arguments, seen from outside: no secret, no terminal escape, no broken line gets out."""

from __future__ import annotations

import os
import re
import secrets

import pytest

from tests.rules.containers import BUSYBOX
from tests.rules.sensor import RunningSensor, container_of, rule_of

TOOL = "/scout-test/bin/true"
MARK = b"/scout-test/mark/"
CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")  # all but the newline that ends a line; C1 as UTF-8
TITLE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} [A-Z]+ +[A-Z]+-[A-Z0-9]+ ")
HOSTILE = {
    "an escape sequence": b"a\x1b]0;owned\x07\x1b[31mb",
    "a newline": b'a\n{"schema":1}\nb',
    "a carriage return": b"a\rb",
    "invalid UTF-8": b"a\xff\xfe\xc3b",
    "a C1 control": b"a\xc2\x9b31mb",
    "a right-to-left override": "a\u202eb".encode(),
    "quotes and backslashes": b'a"\\x41\\"b',
    "a surrogate": b"a\xed\xa0\x80b",
}

SECRET_ARGUMENTS = {
    "an option with =": "--password={}",
    "an option and its value": "--token {}",
    "credentials in a URL": "https://user:{}@example.test/x",
    "an assignment": "DB_PASSWORD={}",
    "a header": "Authorization: Bearer {}",
    "a query": "https://example.test/?access_token={}",
    "JSON": '{{"secret": "{}"}}',
}


@pytest.mark.parametrize("form", SECRET_ARGUMENTS.values(), ids=SECRET_ARGUMENTS.keys())
def test_a_secret_argument_does_not_get_out(sensor, performed, form):
    """A program with a secret on its command line is found, and the secret is nowhere in what the sensor wrote."""
    secret = f"s3cr3t{secrets.token_hex(12)}"
    sensor.secrets.add(secret)
    arguments = form.format(secret).split(" ", 1) if form.startswith("--") else [form.format(secret)]
    _, found = performed([TOOL, "before", *arguments, "after"], files={TOOL: BUSYBOX.read_bytes()})
    runs = [finding for finding in found if rule_of(finding) == "TEST-EXEC"]
    assert len(runs) == 1
    assert "[redacted]" in runs[0]["process"]["cmdline"]
    assert runs[0]["process"]["args"][-1] == "after"
    assert secret.encode() not in sensor.stdout
    assert secret.encode() not in sensor.stderr


def test_a_secret_in_a_script_does_not_get_out(sensor, performed):
    """The same behind sh -c, where the whole script is one argument and the matching act is another process's parent."""
    secret = f"s3cr3t{secrets.token_hex(12)}"
    sensor.secrets.add(secret)
    _, found = performed(["sh", "-c", f"mysql_password={secret} /bin/cat /scout-test/mark/x; mysqldump --password={secret} -u root || :"])
    assert [rule_of(finding) for finding in found] == ["TEST-OPEN"]
    assert secret.encode() not in sensor.stdout
    assert secret.encode() not in sensor.stderr


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_names_stay_one_line(sensor, performed, name):
    """A process with such a name and argument opens a file with such a name: one line of JSON, in which the bytes can be had back."""
    start = len(sensor.stdout)
    _, found = performed(["sh", "/act"], files=hostile(name))
    opens = [finding for finding in found if rule_of(finding) == "TEST-OPEN"]
    assert len(opens) == 1
    act, process = opens[0]["act"], opens[0]["process"]
    assert as_bytes(act["asked"]) == MARK + name
    assert as_bytes(process["name"]) == comm_of(name)
    assert as_bytes(process["args"][-1]) == name
    assert sensor.broken == []
    assert not CONTROL.search(sensor.stdout[start:])


def test_text_output_has_no_control_byte(containers):
    """With --output text every hostile name is shown escaped: a line's end is the only control byte, a finding is three lines."""
    with RunningSensor("--no-watch", output="text") as sensor:
        for name in HOSTILE.values():
            containers.run(["sh", "/act"], files=hostile(name))
        sensor.fence()
        lines = bytes(sensor.stdout).decode().split("\n")
        assert lines.pop() == ""
        titles = [line for line in lines if not line.startswith("    ")]
        assert [title for title in titles if not TITLE.match(title)] == []
        assert len([title for title in titles if "TEST-OPEN" in title]) == len(HOSTILE)
        assert not CONTROL.search(sensor.stdout)
        assert "\u202e" not in bytes(sensor.stdout).decode()


def hostile(name: bytes) -> dict[str, bytes]:
    """Return the files of a container whose /act runs a script called *name*, with *name* as its argument, which opens the marked file of that name."""
    called = os.fsdecode(name)
    return {
        "/act": b"#!/bin/sh\n'/tmp/" + name + b"' '" + name + b"'\n",
        f"/tmp/{called}": b'#!/bin/sh\nexec </scout-test/mark/"$1"\n',
        f"/scout-test/mark/{called}": b"",
    }


def as_bytes(text: str) -> bytes:
    r"""Return the bytes that a finding's text stands for (docs/findings.md: \xHH is a byte, \x5c a backslash before an x)."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


def comm_of(name: bytes) -> bytes:
    """Return what the kernel keeps of a program's name: its last 15 bytes are cut."""
    return name[:15]


def test_names_have_their_containers(performed):
    """A hostile name changes nothing about whose act it was."""
    result, found = performed(["sh", "/act"], files=hostile(HOSTILE["a newline"]))
    assert {container_of(finding) for finding in found} == {result.container_id}
