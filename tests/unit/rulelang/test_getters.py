# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sensor.events.common import FrameFlag
from sensor.events.dimensions import Profile
from sensor.rulelang import getters as g
from sensor.rulelang.values import UNKNOWN, Unknown
from tests.unit.events_factory import make_event, make_workload


def test_an_opened_file_has_its_resolved_path():
    """fd.name is the kernel's path; directory and filename are its parts."""
    event = make_event("open", path=b"/etc/ssh/key", asked=b"../x")
    assert (g.fd_name(event), g.file_directory(event), g.file_name(event), g.asked(event)) == (b"/etc/ssh/key", b"/etc/ssh", b"key", b"../x")


def test_a_failed_open_has_what_was_asked():
    """A relative name is below the working directory, or unknown when that is not known."""
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"/etc//x")) == b"/etc/x"
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"x", cwd=b"/home")) == b"/home/x"
    below = g.fd_name(make_event("open", ret=-2, path=b"", asked=b"x", dirfd=7))
    assert isinstance(below, Unknown)
    assert below.suffix == b"/x"
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"../a/.//../x/", dirfd=7)).suffix == b"/x"
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"..", dirfd=7)) is UNKNOWN
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"../x", cwd=b"/home/user")) == b"/home/x"
    assert g.fd_name(make_event("open", ret=-2, path=b"", asked=b"//")) == b"/"
    assert g.fd_name(make_event("open", ret=-2, path=b"", flags=int(FrameFlag.ASKED_FAULTED))) is UNKNOWN


def test_a_cut_path_keeps_its_end():
    """The whole is unknown, the last component is not."""
    event = make_event("open", path=b"x/etc/shadow", flags=int(FrameFlag.PATH_CUT))
    assert g.fd_name(event).suffix == b"x/etc/shadow"
    assert g.file_name(event) == b"shadow"
    assert g.file_directory(event).suffix == b"x/etc"


def test_connections_have_a_tuple():
    """Addresses are shown in their own form; abstract sockets with an at sign."""
    assert g.fd_name(make_event("connect")) == b"192.0.2.1:40000->192.0.2.7:443"
    assert g.fd_name(make_event("connect", family=10, saddr="::1", daddr="2001:db8::1")) == b"::1:40000->2001:db8::1:443"
    assert g.fd_name(make_event("connect", family=1, unix_path=b"\0x")) == b"@x"
    assert g.fd_name(make_event("connect", family=1, unix_path=b"/run/x\0\0")) == b"/run/x"
    assert g.fd_name(make_event("connect", family=1, unix_path=b"")) is None
    assert g.peer_port(make_event("connect", family=1)) is None


def test_a_mapped_peer_is_both():
    """An IPv6 socket to an IPv4 address has two types."""
    assert g.type_char(make_event("connect", family=10, daddr="::ffff:10.0.0.1")) == (b"4", b"6")


def test_command_lines():
    """The first argument, the others, the name with the others."""
    event = make_event("exec", comm=b"cat", cmdline=b"/bin/cat\0-n\0\0")
    assert (g.first_argument(event), g.arguments(event), g.command_line(event), g.argument_count(event)) == (b"/bin/cat", b"-n ", b"cat -n ", 2)
    assert g.first_argument(make_event("exec", comm=b"kthread", cmdline=b"")) == b"kthread"


def test_the_working_directory_ends_with_a_slash():
    """As Falco prints it."""
    assert g.working_directory(make_event("open", cwd=b"/home")) == b"/home/"
    assert g.working_directory(make_event("open", cwd=b"/")) == b"/"


def test_ancestors():
    """Zero is the process, one its parent; beyond the chain nothing is there."""
    event = make_event("open", comm=b"a", ancestors=((2, b"b"), (1, b"c")))
    assert [g.ancestor_name(n)(event) for n in range(4)] == [b"a", b"b", b"c", None]
    assert g.ancestor_id(2)(event) == 1
    assert g.ancestor_names(make_event("open", ancestors=())) is None


def test_containers():
    """The short id, the host's name, and unknown before the workload is known."""
    assert g.container_id(make_event("open", container=True)) == b"c0ffeec0ffee"
    assert g.container_id(make_event("open")) == b"host"
    assert g.container_id(make_event("open", workload=make_workload(Profile.UNKNOWN))) is UNKNOWN
    assert g.container_id(make_event("open", workload=make_workload(Profile.CONTAINER, container_id=""))) == b"<NA>"


def test_capabilities_by_name():
    """Bits in the kernel's order."""
    assert g.capability_names(1 << 21 | 1) == b"CAP_CHOWN CAP_SYS_ADMIN"
    assert len(g.CAPABILITIES) == 41


def test_results():
    """Errno names; a connect under way has not failed."""
    assert g.result_name(make_event("connect", ret=-115)) == b"EINPROGRESS"
    assert not g.failed(make_event("connect", ret=-115))
    assert g.failed(make_event("open", ret=-115))


@pytest.mark.parametrize(
    ("kind", "user_ns", "container", "is_known"),
    [
        ("open", 4026531837, False, True),
        ("open", 4026532000, False, False),
        ("open", 4026532000, True, True),
        ("connect", 4026532000, False, False),
        ("exec", 4026532000, False, True),
    ],
)
def test_a_program_that_a_user_mounted_has_no_name_to_be_excused_by(kind, user_ns, container, is_known):
    """In a user namespace on the node anything can be mounted as /usr/bin/dpkg: its end is known, no more."""
    path = g.exe_path(make_event(kind, user_ns=user_ns, container=container, exe_path="/usr/bin/dpkg"))
    assert (path if is_known else path.suffix) == b"/usr/bin/dpkg"
    assert isinstance(path, bytes) == is_known
