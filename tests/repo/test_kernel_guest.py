# SPDX-License-Identifier: Apache-2.0
"""What can be shown of the guest tooling without a guest: sources, patterns, archives, the deadline."""

from __future__ import annotations

import fcntl
import gzip
import os
import sys
from pathlib import Path

import pytest

from kernels.run import cache, initramfs, kernel, machine, packages, payload, root, sources
from kernels.run.errors import ArchiveError, BuildFailed, GuestDied

OS_RELEASE = "ID=debian\nVERSION_CODENAME=bookworm\n"
DEB822 = """\
Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""


def mirror_of(tmp_path: Path, **files: str) -> sources.Mirror:
    """Read made-up apt sources: ``list`` is sources.list, ``sources`` a file of sources.list.d."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "os-release").write_text(files.get("os_release", OS_RELEASE))
    if "list" in files:
        (tmp_path / "sources.list").write_text(files["list"])
    if "sources" in files:
        (tmp_path / "sources.list.d" / "debian.sources").write_text(files["sources"])
    return sources.find_mirror(tmp_path, tmp_path / "os-release")


def test_the_mirror_comes_from_deb822_sources(tmp_path):
    """Both URIs are found by the suites beside them, over continuation lines and comments."""
    found = mirror_of(tmp_path, sources=DEB822)
    assert (found.archive, found.security) == ("http://mirror.example/debian", "http://mirror.example/security")


def test_the_mirror_comes_from_one_line_sources(tmp_path):
    """The older notation is read too, options, comments and sources of other suites left aside."""
    text = "# deb http://no.example x main\ndeb-src http://src.example bookworm main\n"
    text += "deb http://other.example stable main\ndeb [arch=amd64 signed-by=/k.gpg] http://yes.example bookworm main # ours\n"
    assert mirror_of(tmp_path, list=text) == sources.Mirror(codename="bookworm", archive="http://yes.example", security="")


@pytest.mark.parametrize(
    "files",
    [
        {"sources": DEB822.replace("Types: deb\n", "Types: deb\nEnabled: no\n")},
        {"sources": DEB822.replace("Types: deb\n", "Types: deb-src\n")},
        {"sources": DEB822.replace("bookworm", "trixie")},
        {"sources": DEB822, "os_release": "ID=other\n"},
        {},
    ],
)
def test_a_machine_without_a_mirror_is_refused(tmp_path, files):
    """Disabled, source-only and other suites' entries are no mirror, and a machine that is no Debian has none."""
    with pytest.raises(ArchiveError):
        mirror_of(tmp_path, **files)


def test_the_newest_package_is_chosen_by_version(tmp_path, monkeypatch):
    """Ten is newer than nine, a pattern does not match its -dbg neighbours, and the name's spelling does not count."""
    answers = {
        "pkgnames": "linux-image-5.10.0-9-cloud-amd64\nlinux-image-5.10.0-10-cloud-amd64\nlinux-image-5.10.0-10-cloud-amd64-dbg\n",
        "linux-image-5.10.0-9-cloud-amd64": " linux-image-5.10.0-9-cloud-amd64 | 5.10.70-1 | http://x\n",
        "linux-image-5.10.0-10-cloud-amd64": " x | 5.10.84-1 | http://x\n x | 5.10.100-1 | http://x\n",
    }
    compared = packages.run

    def fake(argv, **given):
        return compared(argv, **given) if argv[0] == "dpkg" else answers[argv[1] if argv[1] == "pkgnames" else argv[2]].encode()

    monkeypatch.setattr(packages, "run", fake)
    suite = packages.Suite("bullseye", sources.Mirror(codename="bookworm", archive="http://a", security=""), tmp_path)
    newest = suite.newest("linux-image-5.10.*-cloud-amd64")
    assert newest == packages.Package(name="linux-image-5.10.0-10-cloud-amd64", version="5.10.100-1")
    with pytest.raises(ArchiveError, match="has no package"):
        suite.newest("linux-image-9.*")


def test_the_suite_stays_away_from_the_machine(tmp_path):
    """The lists, status, cache and sources of apt are all in the suite's own folder."""
    packages.Suite("bullseye", sources.Mirror(codename="bookworm", archive="http://a", security="http://s"), tmp_path)
    config = (tmp_path / "apt.conf").read_text()
    assert all(f'"{tmp_path}' in config for _ in range(1))
    assert 'Dir::State::status "/dev/null"' in config
    assert "/etc/apt" not in config
    assert (tmp_path / "sources.list").read_text().count("bullseye") == 2


def test_modules_are_loaded_after_what_they_need(tmp_path):
    """modules.dep is read back to front, a shared dependency comes once, and what is built in is left out."""
    (tmp_path / "modules.dep").write_text("kernel/virtio_pci.ko: kernel/ring.ko kernel/virtio.ko\nkernel/virtio-blk.ko.xz: kernel/virtio.ko\nkernel/ext.ko:\n")
    one = kernel.Kernel(package=packages.Package(name="x", version="1"), release="5.10", image=tmp_path, modules=tmp_path)
    assert [path.name for path in one.load_order(("virtio_pci", "virtio_blk", "ext4"))] == ["virtio.ko", "ring.ko", "virtio_pci.ko", "virtio-blk.ko.xz"]


def test_the_first_root_is_a_cpio_archive(tmp_path):
    """Names, contents and the four-byte alignment are those of the newc format; the trailer ends it."""
    data = gzip.decompress(gzip.compress(initramfs._cpio([("a", 0o100644, b"12345"), ("b/c", 0o40755, b"")])))
    at, found = 0, []
    while True:
        fields = [int(data[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        body = (at + 110 + fields[11] + 3) // 4 * 4
        assert data[at : at + 6] == b"070701"
        if name == "TRAILER!!!":
            break
        found.append((name, fields[1], data[body : body + fields[6]]))
        at = (body + fields[6] + 3) // 4 * 4
    assert found == [("a", 0o100644, b"12345"), ("b/c", 0o40755, b"")]


def boot(script: str, timeout_s: float, tmp_path: Path) -> list[str]:
    """Run a shell in QEMU's place."""
    lines: list[str] = []
    machine.boot(["/bin/sh", "-c", script], timeout_s=timeout_s, on_line=lines.append, scratch=tmp_path)
    return lines


def test_the_console_is_passed_on_without_control_characters(tmp_path):
    """Lines come as they are printed, the last one even without its end, and terminal escapes do not get through."""
    assert boot(r"printf 'one\r\n\033[31mtwo\tx\n\377three'", 30, tmp_path) == ["one", "[31mtwo\tx", "\N{REPLACEMENT CHARACTER}three"]


def test_a_hanging_guest_is_cut_and_its_last_words_are_told(tmp_path):
    """At the deadline the process is killed, and the error ends with the console's tail."""
    with pytest.raises(GuestDied, match=r"(?s)not done after 1 s.*\| pid \d+.*\| stuck here") as caught:
        boot("echo pid $$; printf 'stuck here'; exec sleep 1000", 0.6, tmp_path)
    pid = int(str(caught.value).split("pid ")[1].split()[0])
    assert not Path(f"/proc/{pid}").exists()


def test_a_failing_machine_is_an_error(tmp_path):
    """QEMU's own failure carries its words."""
    with pytest.raises(GuestDied, match=r"(?s)ended with 1.*no such drive"):
        boot("echo no such drive >&2; exit 1", 30, tmp_path)


def test_kvm_is_never_used(tmp_path):
    """The accelerator is software emulation, the root and the payload are never written."""
    words = machine.command_line(image=tmp_path, initramfs=tmp_path, disks=machine.Disks(root=tmp_path, payload=tmp_path, results=tmp_path))
    assert words[words.index("-accel") + 1].startswith("tcg")
    assert "kvm" not in " ".join(words).replace(str(tmp_path), "")
    assert sum("snapshot=on" in word for word in words) == 2


def test_scratch_of_a_killed_run_is_removed_and_of_a_living_one_is_not(tmp_path):
    """A folder whose owner holds its lock stays; one whose owner is gone goes with the next run."""
    dead, alive = tmp_path / "scratch" / "dead", tmp_path / "scratch" / "alive"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / ".owner").touch()
    with (alive / ".owner").open("r+") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        with cache.scratch(tmp_path) as mine:
            assert {folder.name for folder in (tmp_path / "scratch").iterdir()} == {"alive", mine.name}
    assert not mine.exists()


def test_the_caches_place_can_be_chosen(tmp_path, monkeypatch):
    """``SCOUT_GUEST_CACHE`` says where, and the folder is made for its owner alone."""
    monkeypatch.setenv("SCOUT_GUEST_CACHE", str(tmp_path / "a" / "b"))
    assert cache.cache_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_another_recipe_is_another_root(monkeypatch):
    """The image's name follows its package list, so that a stale one is never booted."""
    before = root.root_name()
    monkeypatch.setattr(root, "PACKAGES", (*root.PACKAGES, "hello"))
    assert root.root_name() != before


def test_a_checkout_without_its_venv_is_refused(tmp_path, monkeypatch):
    """Without a venv of the guest's Python the message says how to make one."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    with pytest.raises(BuildFailed, match="ci/setup"):
        payload.find_venv(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    with pytest.raises(BuildFailed, match="which the guest has"):
        payload.find_venv(tmp_path)


def test_what_git_ignores_stays_behind(tmp_path):
    """The payload holds tracked and new files, not ignored ones, and survives a file that was removed."""
    checkout, tree, modules = tmp_path / "c", tmp_path / "t", tmp_path / "m"
    for folder in (checkout, tree, modules, checkout / ".venv" / "lib" / f"python{root.PYTHON}" / "site-packages"):
        folder.mkdir(parents=True)
    (checkout / ".venv" / "pyvenv.cfg").touch()
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    payload.run(["git", "-C", checkout, "init", "-q"], env=environment)
    for name, text in {"tracked": "", "gone": "", "new": "", "junk.pyc": "", ".gitignore": "*.pyc\n.venv/\n"}.items():
        (checkout / name).write_text(text)
    payload.run(["git", "-C", checkout, "add", "tracked", "gone"], env=environment)
    (checkout / "gone").unlink()
    one = kernel.Kernel(package=packages.Package(name="x", version="1"), release="5.10", image=tmp_path, modules=modules)
    payload.stage(tree, checkout=checkout, kernel=one, command="true")
    assert {path.name for path in tree.iterdir()} == {"tracked", "new", ".gitignore", ".venv", ".guest"}
    assert (tree / ".guest" / "command").read_text() == "true\n"
