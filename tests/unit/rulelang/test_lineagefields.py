# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.core.privileges import INITIAL_USER_NS
from sensor.events.around import Account, Around, Image
from sensor.events.dimensions import Profile
from sensor.rulelang import fields
from sensor.rulelang.template import printed
from sensor.rulelang.values import UNKNOWN, Unknown
from tests.unit.events_factory import make_event, make_workload


class FakeAround(Around):
    """Knows the images by process id, and the users and groups it is given."""

    def __init__(self, images=None, users=None, groups=None):
        self.images, self.users, self.groups = images or {}, users or {}, groups or {}

    def image(self, one):
        return self.images.get(one.tgid)

    def user(self, _event, uid):
        return self.users.get(uid)

    def group(self, _event, gid):
        return self.groups.get(gid)

    def born_ns(self, start_ns):
        return 10**18 + start_ns


BASH = Image(b"/usr/bin/bash", b"-bash\0-l\0", INITIAL_USER_NS)
SSHD = Image(b"/usr/sbin/sshd", b"sshd: ada\0", INITIAL_USER_NS)
INIT = Image(b"/sbin/init", b"/sbin/init\0", INITIAL_USER_NS)


def value(name, event, argument=None):
    """What the field called *name* is for *event*."""
    spec = fields.FIELDS[name]
    return (spec.indexed(argument) if argument is not None else spec.get)(event)


@pytest.fixture
def event():
    made = make_event("open", comm=b"cat", cmdline=b"cat\0x\0")
    made.around = FakeAround({999: BASH, 500: SSHD, 1: INIT}, {1000: Account(b"ada", b"/home/ada", b"/bin/sh"), 7: Account()}, {1000: Account(b"users")})
    return made


def test_the_parents_program(event):
    """Path, first argument, and the command line as a process's own has it: the name and the arguments."""
    assert value("proc.pexepath", event) == b"/usr/bin/bash"
    assert value("proc.pexe", event) == b"-bash"
    assert value("proc.pcmdline", event) == b"bash -l"


def test_ancestors_by_their_distance(event):
    """0 is the process, 1 its parent; beyond the last there is none."""
    assert [value("proc.aexepath", event, n) for n in range(5)] == [b"/usr/bin/cat", b"/usr/bin/bash", b"/usr/sbin/sshd", b"/sbin/init", None]
    assert [value("proc.acmdline", event, n) for n in (0, 2)] == [b"cat x", b"sshd"]
    assert value("proc.aexe", event) == (b"-bash", b"sshd: ada", b"/sbin/init")


def test_one_that_is_not_known_makes_all_of_them_unknown(event):
    """It could be the one that a test is about."""
    del event.around.images[500]
    assert value("proc.aexepath", event) is UNKNOWN
    assert value("proc.aexepath", event, 2) is UNKNOWN
    assert value("proc.aexepath", event, 1) == b"/usr/bin/bash"
    event.around.images[500] = Image(None, b"sshd\0", INITIAL_USER_NS)
    assert value("proc.aexepath", event, 2) is UNKNOWN
    assert value("proc.aexe", event, 2) == b"sshd"


@pytest.mark.parametrize(("profile", "known"), [(Profile.HOST, False), (Profile.UNKNOWN, False), (Profile.CONTAINER, True)])
def test_a_parents_path_that_a_user_may_have_mounted(event, profile, known):
    """As with the process's own: on the node anybody can have a program under any path, so its end is known, no more."""
    event.workload = make_workload(profile)
    event.around.images[999] = BASH._replace(user_ns=5)
    found = value("proc.pexepath", event)
    assert (found == b"/usr/bin/bash") if known else (found.__class__ is Unknown and found.suffix == b"/usr/bin/bash")


def test_a_session_is_its_leaders(event):
    """The process itself, one of its ancestors, or nobody that is told."""
    assert (value("proc.sname", event), value("proc.sid.exepath", event), value("proc.sid.exe", event)) == (b"bash", b"/usr/bin/bash", b"-bash")
    event.sid = event.tgid
    assert (value("proc.sname", event), value("proc.sid.exepath", event)) == (b"cat", b"/usr/bin/cat")
    event.sid = 4
    assert value("proc.sname", event) is value("proc.sid.exe", event) is UNKNOWN


def test_a_process_group_is_its_leaders(event):
    """By its id, whatever the namespace calls it."""
    assert (value("proc.pgid.name", event), value("proc.is_pgid_leader", event)) == (b"cat", True)
    event.pgid = 500
    assert (value("proc.vpgid.name", event), value("proc.pgid.exepath", event), value("proc.is_vpgid_leader", event)) == (b"sshd", b"/usr/sbin/sshd", False)


def test_users_have_names(event):
    """A number without one is missing, what could not be read is unknown, and so is who never logged in."""
    assert [value(f"user.{name}", event) for name in ("name", "homedir", "shell")] == [b"ada", b"/home/ada", b"/bin/sh"]
    assert value("group.name", event) == b"users"
    assert value("user.loginname", event) is None
    event.loginuid, event.euid, event.egid = 1000, 7, 8
    assert value("user.loginname", event) == b"ada"
    assert value("user.name", event) is None
    assert value("group.name", event) is UNKNOWN
    event.loginuid = 9
    assert value("user.loginname", event) is UNKNOWN


def test_times(event):
    """Starts are of the wall clock, ages of the kernel's."""
    assert value("proc.pid.ts", event) == 10**18 + 900_000_000
    assert value("proc.ppid.ts", event) == 10**18 + 100_000_000
    assert value("proc.ppid.duration", event) == 900_000_000
    event.ancestors = ()
    assert value("proc.ppid.ts", event) is value("proc.ppid.duration", event) is value("proc.pexe", event) is value("proc.aexe", event) is None


def test_nothing_of_it_is_known_where_nobody_can_be_asked():
    """A replay: unknown, shown as missing."""
    event = make_event("open")
    for name in ("proc.pexe", "proc.pexepath", "proc.pcmdline", "proc.acmdline", "proc.pid.ts", "proc.ppid.ts", "user.name", "group.name", "proc.sid.exe"):
        assert value(name, event) is UNKNOWN
        assert printed(value(name, event)) == "<NA>"
    assert value("proc.sname", event) == b"bash"
