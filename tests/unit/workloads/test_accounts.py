# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sensor.events.around import Account
from sensor.events.dimensions import Profile
from sensor.workloads.accounts import FILE_BYTES, GROUPS, KEPT_NS, MAX_NAMES, NAME_BYTES, USERS, Accounts, mapped, read_name
from tests.unit.events_factory import make_event, make_workload
from tests.unit.workloads.test_processes import FakeAside, told

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"


@pytest.fixture
def root(tmp_path) -> Path:
    """A root with a file of users and one of groups."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(PASSWD)
    (tmp_path / "etc/group").write_bytes(b"root:x:0:\nwheel:x:10:root,ada\n")
    return tmp_path


def test_users_and_groups_have_names(root):
    """As the first line with the number says; a number without a line has none."""
    assert read_name(str(root), USERS, 0) == (b"root", b"/root", b"/bin/bash")
    assert read_name(str(root), USERS, 65534).name == b"nobody"
    assert read_name(str(root), USERS, 6553) == Account()
    assert read_name(str(root), GROUPS, 10) == (b"wheel", b"", b"")


def test_without_a_file_nobody_has_a_name(tmp_path):
    """An image without users is not an unknown one."""
    assert read_name(str(tmp_path), USERS, 0) == Account()
    (tmp_path / "etc").mkdir()
    assert read_name(str(tmp_path), USERS, 0) == Account()


@pytest.mark.parametrize(
    "line",
    [
        b"x:x:5:5", b"x:x:five:5::/:/bin/sh", b":x:5:5::/:/bin/sh", b"x" * (NAME_BYTES + 1) + b":x:5:5::/:/bin/sh", b"x\0y:x:5:5::/:/bin/sh",
        b"x:x:5:5::/:/bin/sh:more", b"# x:x:5", b"x:x:-5:5::/:/bin/sh", b"x:x:5:5::/" + b"h" * NAME_BYTES + b":/bin/sh",
    ],
)  # fmt: skip
def test_lines_that_are_none_are_skipped(root, line):
    """Neither a name nor an error comes of them, and the next line counts."""
    (root / "etc/passwd").write_bytes(line + b"\n" + PASSWD)
    assert read_name(str(root), USERS, 5) == Account()
    assert read_name(str(root), USERS, 0).name == b"root"


def test_only_a_regular_file_of_some_length_is_read(root):
    """A pipe waits for nobody, a device and a socket are not opened, what is too long is not read."""
    passwd = root / "etc/passwd"
    passwd.unlink()
    os.mkfifo(passwd)
    assert read_name(str(root), USERS, 0) is None
    passwd.unlink()
    passwd.mkdir()
    assert read_name(str(root), USERS, 0) is None
    passwd.rmdir()
    passwd.write_bytes(PASSWD)
    os.truncate(passwd, FILE_BYTES)
    assert read_name(str(root), USERS, 0).name == b"root"
    os.truncate(passwd, 100 * FILE_BYTES)
    assert read_name(str(root), USERS, 0) is None


def test_no_link_is_followed(root, tmp_path_factory):
    """Neither the file nor its folder may be one: it could lead out of the container."""
    passwd = root / "etc/passwd"
    passwd.unlink()
    passwd.symlink_to("/etc/passwd")
    assert read_name(str(root), USERS, 0) is None
    other = tmp_path_factory.mktemp("other")
    (other / "etc").symlink_to("/etc")
    with pytest.raises(NotADirectoryError):
        read_name(str(other), USERS, 0)


@pytest.mark.parametrize(
    ("content", "number", "inside"),
    [
        (b"         0          0 4294967295\n", 33, 33),
        (b"0 100000 65536\n", 100033, 33),
        (b"0 100000 65536\n", 33, None),
        (b"0 5 1\n7 9 2\n", 10, 8),
        (b"", 0, None),
    ],
)
def test_numbers_are_those_of_the_namespace(content, number, inside):
    """As uid_map has it: inside, outside, count."""
    assert mapped(content, number) == inside


def test_a_map_of_too_many_lines_is_not_half_a_map():
    """What was not read whole says nothing."""
    with pytest.raises(ValueError, match="too many"):
        mapped(b"0 0 1\n" * 5000, 7)


def here(ts_ns: int = 10**12, **overrides):
    """An act of this very process, in a container."""
    values = {"tgid": os.getpid(), "start_ns": told(os.getpid()).start_ns, "ts_ns": ts_ns, "workload": make_workload(Profile.CONTAINER)} | overrides
    return make_event("open", **values)


def test_a_containers_names_come_from_its_processes_root():
    """Below /proc/PID/root, by the process's own numbers."""
    assert Accounts(FakeAside()).user(here(), 0).name == read_name("/", USERS, 0).name != b""
    assert Accounts(FakeAside()).group(here(), 0).name == read_name("/", GROUPS, 0).name != b""


def test_another_process_of_the_number_is_not_asked():
    """Its root may be another container's."""
    assert Accounts(FakeAside()).user(here(start_ns=5), 0) is None


def test_the_hosts_names_come_from_the_hosts_file(root):
    """Whatever root the process has."""
    accounts = Accounts(FakeAside(), node_root=str(root))
    assert accounts.user(make_event("open", tgid=2**30), 65534).name == b"nobody"
    assert accounts.group(make_event("open", tgid=2**30), 10).name == b"wheel"


def test_a_process_of_the_host_in_our_own_mount_namespace_has_our_root(root):
    """So its names are known even where nobody lets us look at the first process; others' are not then."""
    accounts = Accounts(FakeAside(), mnt_ns=5)
    assert accounts.user(make_event("open", mnt_ns=5), 0).name == b"root"
    assert accounts.user(make_event("open", mnt_ns=6), 0) is None
    assert Accounts(FakeAside(), mnt_ns=5, node_root=str(root)).user(make_event("open", mnt_ns=6), 65534).name == b"nobody"


def test_where_an_act_belongs_must_be_known(root):
    """Neither the host's nor a container's names are right for what could be either."""
    assert Accounts(FakeAside(), node_root=str(root)).user(make_event("open", workload=make_workload(Profile.UNKNOWN)), 0) is None


def test_an_answer_is_kept_for_a_while():
    """It is that of one container, mount namespace and user namespace, and grows old by the events' time."""
    aside = FakeAside()
    accounts = Accounts(aside)
    for event in (here(), here(), here(10**12 + KEPT_NS - 1)):
        accounts.user(event, 0)
    assert aside.asked == 1
    others = [here(mnt_ns=5), here(user_ns=5), here(workload=make_workload(Profile.CONTAINER, container_id="ab")), here(10**12 + KEPT_NS)]
    for event in others:
        accounts.user(event, 0)
    assert aside.asked == 1 + len(others)


def test_what_is_not_known_is_asked_again():
    """A process that is gone says nothing of the next."""
    accounts = Accounts(FakeAside())
    assert accounts.user(here(start_ns=5), 0) is None
    assert accounts.user(here(), 0).name


def test_the_answers_are_bounded(root):
    """A container that takes on one number after the other pushes out its own."""
    accounts = Accounts(FakeAside(), node_root=str(root))
    event = make_event("open")
    for number in range(MAX_NAMES + 5):
        accounts.user(event, number)
    assert len(accounts._kept) == MAX_NAMES
