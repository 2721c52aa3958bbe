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
        ("openat", {"container.name": "c", "container.image.repository": "r/x", "container.image.tag": "2", "container.privileged": "true"}),
        ("openat", {"k8s.ns.name": "shop", "k8s.pod.name": "web-1", "k8s.pod.label[app.kubernetes.io/name]": "web", "k8s.deployment.name": "web"}),
        ("execve", {"container.id": "0123456789ab", "k8s.rs.name": "web-5", "container.image.digest": "sha256:ab"}),
        ("openat", {"proc.pcmdline": "parent -x y", "proc.pexepath": "/bin/p", "proc.aexepath[3]": "/sbin/init", "proc.acmdline[2]": "ancestor a"}),
        ("execve", {"proc.pexe": "-sh", "proc.pname": "sh", "proc.pcmdline": "sh -c id", "proc.sname": "sh", "proc.pgid": "7", "proc.vpgid": "3"}),
        ("execve", {"user.uid": "33", "user.name": "www", "user.loginuid": "5", "user.loginname": "ada", "group.name": "web"}),
        ("connect", {"fd.rip": "2001:db8::1", "evt.rawres": "-115", "fd.typechar": "6"}),
    ],
)
def test_fields_read_back_as_given(kind, values):
    """What a case says is what the rule sees."""
    event = event_of({"evt.type": kind, **values})
    for name, text in {"evt.type": "openat" if kind == "openat" else kind, **values}.items():
        base, _, argument = name.partition("[")
        spec, left = fields.find(base, argument.rstrip("]") or None)
        getter = spec.get if not left else spec.keyed(left) if spec.keyed else spec.indexed(int(left))
        assert printed(getter(event)) == text, name


@pytest.mark.parametrize(
    "values",
    [{}, {"evt.type": "unlink"}, {"evt.type": "openat", "proc.env": "x"}, {"evt.type": "openat", "proc.aexe[0]": "x"},
     {"evt.type": "openat", "proc.pid": "x"}, {"evt.type": "execve", "fd.name": "/x"},
     {"evt.type": "openat", "fd.sport": "5"}, {"evt.type": "openat", "evt.arg.flags": "O_NOTHING"}, {"evt.type": "openat", "evt.res": "ENOTHING"}],
)  # fmt: skip
def test_what_cannot_be_given_is_refused(values):
    """A case never tests less than it says."""
    with pytest.raises(UnsettableFieldError):
        event_of(values)


def test_what_is_not_given_of_a_container_is_plausible():
    """A case in a container that says nothing of its image is about a known one; nothing is open that a rule could take for a match."""
    event = event_of({"evt.type": "openat", "container.id": "0123456789ab"})
    read = {name: fields.FIELDS[name].get(event) for name in ("container.name", "container.image", "container.privileged", "k8s.ns.name")}
    assert read == {"container.name": b"app", "container.image": b"registry.example/app:1", "container.privileged": False, "k8s.ns.name": None}
    one, other = (event_of({"evt.type": "openat", "k8s.pod.label[a]": value}) for value in "xy")
    assert one.workload.pod.labels != other.workload.pod.labels, "events do not share what they are made of"
