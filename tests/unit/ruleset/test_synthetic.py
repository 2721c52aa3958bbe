# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.rulelang import fields
from sensor.rulelang.template import printed
from sensor.ruleset.synthetic import UnsettableFieldError, event_of


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("openat", {"fd.name": "/etc/x", "proc.name": "cat", "proc.pname": "sh", "proc.exepath": "/bin/cat", "evt.arg.flags": "O_RDWR|O_CREAT", "fd.num": "7"}),
        ("creat", {"evt.is_open_write": "true", "user.uid": "5", "user.loginuid": "-1", "group.gid": "6", "proc.cwd": "/x/"}),
        ("connect", {"fd.typechar": "u", "fd.name": "/run/x.sock", "evt.failed": "false"}),
        ("openat2", {"evt.res": "ENOENT", "fd.nameraw": "../x", "proc.aname[3]": "init", "proc.apid[2]": "77", "container.id": "0123456789ab"}),
        ("execve", {"proc.name": "cat", "proc.args": "-n x", "proc.tty": "5", "container.id": "host", "proc.is_exe_from_memfd": "true", "evt.failed": "true"}),
        ("connect", {"fd.sip": "10.0.0.1", "fd.sport": "80", "fd.cip": "10.0.0.2", "fd.lport": "5", "fd.l4proto": "udp", "thread.cap_effective": "CAP_CHOWN"}),
        ("connect", {"fd.rip": "2001:db8::1", "evt.rawres": "-115", "fd.typechar": "6"}),
    ],
)
def test_fields_read_back_as_given(kind, values):
    """What a case says is what the rule sees."""
    event = event_of({"evt.type": kind, **values})
    for name, text in {"evt.type": "openat" if kind == "openat" else kind, **values}.items():
        base, _, argument = name.partition("[")
        spec, left = fields.find(base, argument.rstrip("]") or None)
        getter = spec.indexed(int(left)) if left else spec.get
        assert printed(getter(event)) == text, name


@pytest.mark.parametrize(
    "values",
    [{}, {"evt.type": "unlink"}, {"evt.type": "openat", "user.name": "x"}, {"evt.type": "openat", "proc.pid": "x"}, {"evt.type": "execve", "fd.name": "/x"},
     {"evt.type": "openat", "fd.sport": "5"}, {"evt.type": "openat", "evt.arg.flags": "O_NOTHING"}, {"evt.type": "openat", "evt.res": "ENOTHING"}],
)  # fmt: skip
def test_what_cannot_be_given_is_refused(values):
    """A case never tests less than it says."""
    with pytest.raises(UnsettableFieldError):
        event_of(values)
