# SPDX-License-Identifier: Apache-2.0
"""
Random real acts: what programs do with files, programs and peers, and what they do to be misread.

A `World` is a small tree that the acts happen in; `Dice` throws lists of words
for the driver's ``batch`` (tests/drivers/act.c), the same ones for the same
number. Values that the kernel side cannot know are among them: cut, faulted,
deep, deleted, detached and pseudo ones, names of any bytes, cgroups that nobody
named.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
from typing import TYPE_CHECKING

from sensor.rulelang.getters import O_PATH
from tests.properties.random_conditions import Words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x04, 0x08
NOBODY = 65534
STAMP = b"..2024_02_29_01_02_03.456789"

PLAIN = (
    b"etc/shadow", b"etc/passwd", b"etc/sudoers.d/x", b"shadow", b"home/u/.ssh/id_rsa", b"x/shadow", b"run/x", b"dev/shm/a", b"x/etc/shadow",
    b"etc/" + b"n" * 31, b"etc/" + b"n" * 32, b"etc/" + b"n" * 40, b"etc/" + b"m" * 255, b"etc/\xff\xfe", b"etc/a..b", b"etc/..x", b"etc/ s p", b"etc/n\nl",
    b"12345678/shadow", b"n" * 31 + b"/id_rsa", b"n" * 32 + b"/id_rsa", b"d/" * 60 + b"shadow", b"d/" * 140 + b"shadow",
    b"/".join([b"w" * 230] * 5) + b"/shadow",
    b"vol/" + STAMP + b"/token", b"x/" + STAMP, b"p" * 100 + b"/" + b"q" * 100 + b"/x",
)  # fmt: skip
"""Files of the world, below its root."""

LINKS = (
    (b"l/shadow", b"../etc/shadow"), (b"l/dir", b"../etc"), (b"l/loop", b"loop"), (b"l/dangling", b"nowhere"), (b"l/up", b".."), (b"l/act", b"../bin/act"),
    (b"l/chain", b"shadow"), (b"vol/..data", STAMP), (b"vol/token", b"..data/token"), (b"l/null", b"/dev/null"), (b"etc/link", b"shadow"),
)  # fmt: skip

SYSTEM = (b"/etc/passwd", b"/dev/null", b"/proc/self/stat", b"/", b"/etc", b"/proc/self/exe", b"/sys/kernel/mm/transparent_hugepage/enabled")
"""Files of the machine, which are only read."""

COMMS = (b"cat", b"sh", b"sshd", b"a-name-of-15-by", b"x", b"", b"\xff\xfebad", b"s p", b"(sd-pam)", b"act", b"123456789")
PORTS = (0, 9, 22, 80, 443, 65535)


class World:
    """The tree, and the words that conditions over it are made of."""

    def __init__(self, root: Path, program: Path) -> None:
        self.path, self.program = root, program
        self.root = os.fsencode(root)

    def rebuild(self) -> None:
        """Make it anew: what acts made or removed is as before."""
        if self.path.exists():
            shutil.rmtree(self.path)
        self.path.mkdir(mode=0o755)
        root = self.root
        for name in (*PLAIN, b"bin/garbage", b"mnt/under", b"tmp/x"):
            os.makedirs(os.path.dirname(root + b"/" + name), exist_ok=True)  # noqa: PTH103, PTH120  # bytes
            os.close(os.open(root + b"/" + name, os.O_CREAT | os.O_WRONLY, 0o600 if name.endswith(b"shadow") else 0o644))
        os.makedirs(root + b"/l")  # noqa: PTH103  # bytes
        for name, target in LINKS:
            os.symlink(target, root + b"/" + name)  # noqa: PTH211  # bytes
        for name, mode in (("act", 0o755), ("plain", 0o644), ("n" * 40, 0o755)):
            shutil.copy(self.program, self.path / "bin" / name)
            (self.path / "bin" / name).chmod(mode)
        (self.path / "bin" / "script").write_text(f"#!{self.path}/bin/act ignore\n")
        (self.path / "bin" / "nested").write_text(f"#!{self.path}/bin/script\n")
        (self.path / "bin" / "orphan").write_text("#!/nowhere/at/all\n")
        for name in ("script", "nested", "orphan", "garbage"):
            (self.path / "bin" / name).chmod(0o755)
        os.mkfifo(root + b"/fifo")
        os.chmod(root + b"/fifo", 0o666)  # noqa: PTH101  # everybody may be at either end, or the other would wait for ever
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(root + b"/deaf")

    def words(self, parents: Sequence[str]) -> Words:
        """Return the constants of conditions about acts in this world."""
        root = str(self.path)
        return Words(
            paths=[
                *(f"{root}/{name.decode()}" for name in PLAIN if name.isascii() and len(name) < 120 and b"\n" not in name),
                *(f"{root}/{name.decode()}" for name, _target in LINKS),
                *(f"{root}/{name}" for name in ("missing", "mnt/shadow", "mnt/passwd", "bin/act", "bin/script", "bin/plain", "l/dir/passwd")),
                *([f"{root}/mnt/shadow", f"{root}/mnt/under"] * 3), f"{root}/vol/..data/token", "/etc/shadow", "/etc/passwd",
                "/etc/sudoers.d/x", "/shadow", "/bin/act", "/dev/null", "/proc/self/stat", "/",
                "shadow", "../etc/shadow", "etc/shadow", "", f"{root}/etc/../etc/shadow", f"{root}/" + "d/" * 60 + "shadow", f"{root}//etc/shadow", "/nowhere",
            ],
            prefixes=[
                "/", root, f"{root}/", f"{root}/etc", f"{root}/etc/", f"{root}/l/dir/", f"{root}/mnt", f"{root}/" + "d/" * 40, f"{root}/" + "p" * 100, "/etc/",
                "/dev/", "/proc/", "/memfd:", f"{root}/vol/..2024", f"{root}/bin/", "../", "etc",
            ],
            suffixes=[
                "/shadow", "shadow", "/.ssh/id_rsa", "dow", "/etc/shadow", "/", "/act", "x", "/" + "n" * 31, "/" + "n" * 40, "/token", "d/d/shadow",
                "/mnt/shadow", "/under",
            ],
            globs=[
                f"{root}/etc/*", "*/shadow", f"{root}/home/*/.ssh/id_rsa", f"{root}/etc/shado?", "*/[st]hadow", f"{root}/etc/shadow", "/*", "*/d/shadow",
                f"@({root}/etc|{root}/x)/shadow", f"{root}/bin/*", "*act",
            ],
            directories=[
                f"{root}/etc", f"{root}/etc/", root, "/", f"{root}/etc/sudoers.d", f"{root}/home/u/.ssh", f"{root}/mnt", "/etc", f"{root}/l/dir", f"{root}/bin",
                f"{root}/vol", f"{root}/vol/..data", f"{root}/" + "n" * 31, f"{root}/" + "n" * 32, "etc",
            ],
            leaves=[
                "shadow", "x", "id_rsa", "n" * 31, "n" * 40, "", "act", "a..b", "token", "passwd", STAMP.decode(), "null", "under", "mnt", "d", "memfd:secret",
                ".ssh",
            ],
            comms=[*(name.decode() for name in COMMS if name.isascii() and name), "a-name-of-15-bytes-and-more", "nested", "script", *parents],
            addresses=[
                "127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "10.1.2.3", "::1", "::ffff:10.1.2.3", "::/0", "0.0.0.0/0", "2001:db8::/32", "192.0.2.1", "::",
                "0.0.0.0", "::ffff:0:0/96", "2001:db8::5", "11.0.0.0/8", "10.1.0.0/16",
            ],
            ports=[*PORTS, 70000],
            ids=[0, NOBODY, 1000, 4294967295],
        )  # fmt: skip


class Dice:
    """Throws acts."""

    def __init__(self, world: World, cgroups: dict[str, str], parents: Sequence[bytes], number: int) -> None:
        self.root, self.cgroups, self.parents = world.root, cgroups, parents
        self.dice = random.Random(number)  # no secret

    def acts(self, count: int) -> list[tuple[bytes, ...]]:
        """Return *count* acts, each the words of one child."""
        return [tuple(word if isinstance(word, bytes) else str(word).encode() for word in self.act()) for _ in range(count)]

    def act(self) -> list[object]:
        """Return the words of one child; a network of its own is made while it still may."""
        who, what = self.who(), self.what()
        return ["network", *who, *what[1:]] if what[0] == "network" else [*who, *what]

    def one(self, *values):
        """Return one of *values*."""
        return self.dice.choice(values)

    def who(self) -> list[object]:
        """Return where the act happens, under which names and users. By its parent's name an act is known as ours."""
        words: list[object] = []
        place = self.one("", "", "", "container", "container", "container", "nested", "unlisted")
        if place:
            words += ["put", self.cgroups[place], "0"]
        words += ["comm", self.one(*self.parents), "fork"]
        words += self.one([], ["setsid"], ["setsid"], ["setsid"], ["terminal"])
        if self.dice.random() < 0.25:
            group, user = self.one(0, NOBODY), self.one((NOBODY, NOBODY, NOBODY), (1000, 0, 0), (0, 1000, 0), (1000, 1000, 0), (0, NOBODY, 0))
            words += ["gid", group, group, group, "uid", *user]
        elif self.dice.random() < 0.05:
            words += ["unshare", CLONE_NEWUSER]
        words += ["comm", self.one(*COMMS)]
        return words + (["thread", "comm", self.one(*COMMS)] if self.dice.random() < 0.1 else [])

    def what(self) -> list[object]:
        """Return the act."""
        return self.one(self.open, self.open, self.open, self.odd_open, self.odd_open, self.execute, self.connect, self.connect)()

    def spelled(self) -> tuple[list[object], bytes]:
        """Return words that prepare, and one of many ways to ask for a file."""
        root, name = self.root, self.one(*PLAIN, *(link for link, _target in LINKS))
        below = name.removeprefix(b"etc/")
        private = ["unshare", CLONE_NEWNS, "private"]
        ways: list[tuple[list[object], bytes]] = [
            ([], root + b"/" + name),
            ([], root + b"/x/../" + name),
            (["cd", root], name),
            (["cd", root + b"/etc"], b"../" + name),
            ([], root + b"/l/up/" + name),
            ([], root + b"/." * 250 + b"/" + name),
            ([], b"/proc/self/root" + root + b"/" + name),
            (["cd", root], b"/proc/self/cwd/" + name),
            ([], b"/" + root + b"//" + name),
            (["chroot", root, "cd", "/"], b"/" + name),
            ([*private, "pivot", root], b"/" + name),
            ([*private, "pivot", root], name),
        ]
        if below != name:
            ways += [
                ([], root + b"/l/dir/" + below),
                ([*private, "bind", root + b"/etc", root + b"/mnt"], root + b"/mnt/" + below),
                ([*private, "bind", root + b"/etc", root + b"/mnt", "bind", root + b"/mnt", root + b"/x"], root + b"/x/" + below),
                ([*private, "bind", root + b"/mnt", root + b"/etc"], root + b"/etc/" + below),
                ([*private, "bind", root + b"/" + name, root + b"/mnt/under"], root + b"/mnt/under"),
                ([*private, "bind", "/", root + b"/mnt"], root + b"/mnt" + root + b"/" + name),
                (["chroot", root + b"/etc", "cd", "/"], b"/" + below),
            ]
        return self.one(*ways)

    def flags(self) -> int:
        """Return how a file is opened."""
        more = (0, 0, os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_EXCL, os.O_APPEND, os.O_TRUNC, O_PATH, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_CLOEXEC)
        return self.one(0, 0, 0, 1, 2, 3) | self.one(*more)

    def open(self) -> list[object]:
        """Return an open of a file of the world, which may fail."""
        before, path = self.spelled()
        if self.dice.random() < 0.15:
            path += self.one(b".missing", b"/below", b"/", b"/..", b"/." * 300)
        flags, mode = self.flags(), self.one(0o600, 0o755)
        calls = ([["open", path, flags, mode]] * 3) + [["oldopen", path, flags, mode], ["openat2", path, flags & ~os.O_CREAT, 0], ["creat", path, mode]]
        if not path.startswith(b"/"):
            calls += [["below", self.root, path, flags, mode]] * 2
        return [*before, *self.one(*calls)]

    def odd_open(self) -> list[object]:
        """Return an open of what is no plain file, of one that cannot be named, or one that fails in its own way."""
        root, private = self.root, ["unshare", CLONE_NEWNS, "private"]
        readable = self.one(*SYSTEM)
        return self.one(
            ["open", readable, self.one(0, O_PATH, os.O_DIRECTORY), 0],
            ["memfd", self.one(b"secret", b"n" * 40, b"\xff")],
            ["pipe"],
            ["open", root + b"/" + self.one(b"tmp", b"etc"), os.O_TMPFILE | self.one(1, 2), 0o600],
            [
                "link",
                root + b"/x/shadow",
                root + b"/tmp/shadow",
                "open",
                root + b"/tmp/shadow",
                0,
                0,
                "unlink",
                root + b"/tmp/shadow",
                "reopen",
                self.one(0, 1),
            ],
            ["open", root + b"/etc/shadow", O_PATH, 0, "reopen", self.one(0, 2)],
            ["detached", self.one(root + b"/etc", root), self.one(b"shadow", b"etc/shadow", b"sudoers.d/x")],
            [*private, "tmpfs", root + b"/mnt", "open", root + b"/mnt/" + self.one(b"shadow", b"n" * 40), os.O_CREAT | os.O_RDWR, 0o600],
            [*private, "tmpfs", root + b"/mnt", "open", root + b"/mnt", os.O_DIRECTORY, 0],
            [*private, "bind", root + b"/etc", root + b"/mnt", "open", root + b"/mnt", os.O_DIRECTORY, 0],
            [*private, "bind", root + b"/etc", root + b"/mnt", "open", root + b"/mnt/" + self.one(b"shadow", b"passwd"), 0, 0],
            [*private, "bind", root + b"/etc/shadow", root + b"/mnt/under", "open", root + b"/mnt/under", self.one(0, 2), 0],
            [*private, "bind", root + b"/etc", root + b"/mnt", "cd", root + b"/mnt", "chroot", root + b"/etc", "open", b"shadow", 0, 0],
            ["cd", root + b"/mnt", "mkdir", b"gone", "cd", b"gone", "open", b"../gone", O_PATH, 0, "open", b".", os.O_DIRECTORY, 0],
            ["cd", root + b"/d" * 140, "open", self.one(b"shadow", b"../missing"), 0, 0],
            ["open-unmapped", root + b"/fifo"],
            ["open", root + b"/fifo", os.O_WRONLY | os.O_NONBLOCK, 0],
            ["open", root + b"/fifo", os.O_RDONLY | os.O_NONBLOCK, 0],
            ["open-nowhere"],
            ["open-below", 999, self.one(b"shadow", b"../etc/shadow"), 0, 0],
            ["open-below", 0, b"shadow", 0, 0],
            ["open-below", 999, root + b"/etc/shadow", self.flags(), 0],
            ["resolve", root + b"/l/shadow", 0, RESOLVE_NO_SYMLINKS],
            ["cd", root, "resolve", b"../etc/shadow", 0, RESOLVE_BENEATH],
            ["resolve", root + b"/etc/shadow", 0, 1 << 40],
            ["limit-files", 3, "open", root + b"/etc/shadow", 0, 0],
            ["open", root + b"/" + b"n" * 256, 0, 0],
            ["open", root + b"/a" * 2100, 0, 0],
            ["open", b"", 0, 0],
            ["open", root + b"/bin/act", os.O_WRONLY, 0],
            ["open", root + b"/deaf", 0, 0],
            ["open", root + b"/etc", self.one(os.O_WRONLY, os.O_CREAT), 0],
            ["open", root + b"/l/loop", self.one(0, O_PATH | os.O_NOFOLLOW), 0],
        )

    def execute(self) -> list[object]:
        """Return an exec; the driver's own program ends at once."""
        root, private = self.root, ["unshare", CLONE_NEWNS, "private"]
        program = root + b"/" + self.one(b"bin/act", b"l/act", b"bin/script", b"bin/nested", b"bin/" + b"n" * 40)
        bad = root + b"/" + self.one(b"bin/plain", b"bin/garbage", b"bin/orphan", b"etc/shadow", b"missing", b"bin/act/x", b"l/loop", b"etc", b"n" * 256)
        return self.one(
            ["exec", program, "ignore"],
            ["exec", program, "ignore"],
            ["cd", root + b"/etc", "exec", b"../bin/act", "ignore"],
            ["execmem", program, "act", "ignore"],
            ["execfd", program, "act", "ignore"],
            ["link", root + b"/bin/act", root + b"/tmp/gone", "exec-unlinked", root + b"/tmp/gone", "act", "ignore"],
            ["chroot", root, "cd", "/", "exec", b"/bin/act", "ignore"],
            [*private, "pivot", root, "exec", self.one(b"/bin/act", b"bin/act"), "ignore"],
            [*private, "bind", root + b"/bin", root + b"/mnt", "exec", root + b"/mnt/act", "ignore"],
            [*private, "bind", root + b"/bin/act", root + b"/mnt/under", "exec", root + b"/mnt/under", "ignore"],
            ["link", root + b"/bin/act", root + b"/d" * 140 + b"/act", "exec", root + b"/d" * 140 + b"/act", "ignore"],
            ["tryexec", bad],
            ["tryexec", bad, "open", root + b"/etc/shadow", 0, 0],
            ["cd", root, "tryexec", self.one(b"missing", b"../missing")],
            ["tryexec-nowhere"],
        )

    def address(self, *, local: bool) -> list[object]:
        """Return the words of an internet address; *local*: one that answers in a network of our own."""
        port = self.one(*PORTS)
        if local:
            return self.one(["4", "127.0.0.1", port], ["4", "10.1.2.3", port], ["4", "127.9.8.7", port], ["6", "::1", port], ["6", "::ffff:10.1.2.3", port])
        return self.one(["4", "192.0.2.1", port], ["4", "10.1.2.3", port], ["6", "2001:db8::5", port], ["6", "::ffff:192.0.2.1", port], ["6", "::", port],
                        ["4", "0.0.0.0", port])  # fmt: skip

    def connect(self) -> list[object]:
        """Return a connect. Nothing leaves the machine: TCP stays in a network of its own, datagrams are not sent."""
        here, flags = self.address(local=True), self.one(0, 0, os.O_NONBLOCK)
        quiet = ["connect-short", self.one(0, 1, 2, 6, 15), *self.address(local=False)]
        return self.one(
            ["network", "connect", "tcp", flags, *here],
            ["network", "connect-at-page-end", "tcp", flags, *here],
            ["network", "listen", *here, "connect", "tcp", flags, *here],
            ["network", "connect", "tcp", flags, *self.address(local=False)],
            ["network", "connect", "udp", flags, *here],
            ["connect", "udp", 0, *self.address(local=False)],
            ["connect", "stream", flags, "unix", self.root + self.one(b"/deaf", b"/missing", b"/etc/shadow")],
            ["connect", "udp", 0, "unix", self.root + b"/deaf"],
            ["connect", "stream", 0, "abstract", self.one(b"nobody", b"\xff")],
            ["listen", "abstract", b"somebody", "connect", "stream", 0, "abstract", b"somebody"],
            ["connect-nowhere"],
            quiet,
            ["connect-other", self.one(0, 16, 99)],
            ["connect-descriptor", self.one(0, 999), *self.address(local=False)],
        )


def script(acts: Sequence[Sequence[bytes]]) -> bytes:
    """Return what the driver's ``batch`` reads."""
    return b"".join(b"%d\0" % len(words) + b"".join(word + b"\0" for word in words) for words in acts)
