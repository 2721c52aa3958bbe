# SPDX-License-Identifier: Apache-2.0
"""
Ordinary work: what people and services do all day, none of which is a finding.

A shell with small tools, a repository, a compiler, an interpreter, package
metadata, archives, looking for files, a server and its client on loopback. The
acts are the same each time but for what the machine has installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STEPS = (
    "ls -R /etc/apt /usr/include/linux >list; wc -l list; sort list | uniq -c | sort -n | tail -1; cat /etc/os-release /etc/passwd; id; date; df .",
    "git init -q repo && cd repo && for i in 1 2 3 4 5; do echo $i >file$i; mkdir -p d$i; cp file$i d$i/copy; git add . ; git commit -q -m $i; done",
    "cd repo && git log; git status; git diff HEAD~1; git branch other",
    "for i in 1 2 3; do printf 'int f%d(void) { return %d; }\\n' $i $i >f$i.c; gcc -O1 -c f$i.c; done",
    "printf 'int main(void) { return 0; }\\n' >m.c; gcc -o m m.c f1.o && ./m",
    '{python} -c \'import json, email, http.client, sqlite3, argparse, unittest, xml.etree.ElementTree; open("x.json", "w").write(json.dumps([1]))\'',
    "apt-cache policy bash coreutils; apt-cache show bash; dpkg -l bash coreutils; dpkg -L bash",
    "tar cf all.tar repo; tar tf all.tar; gzip all.tar",
    "find repo -name 'c*' -newer list; grep -r include /usr/include/linux/if.h f1.c; sed -i s/1/2/ f1.c; rm -r repo",
    "PATH=/usr/sbin:$PATH; ps; uptime; hostname; getent passwd root; getent hosts localhost; stat /tmp",
    "touch log; tail -n 1 /etc/services; test -e /etc/nothing; cat nothing; env; true",
    "{python} {server}",
)

_SERVER = """
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(20):
    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/list").read()
"""


def ordinary_work(folder: Path, before: Callable[[], None] | None = None, times: int = 1) -> None:
    """Do it in *folder*, which must be empty and is so again; *before* is called in each step's child, as `subprocess` does."""
    server = folder.parent / "server.py"
    server.write_text(_SERVER)
    home = {"HOME": str(folder), "GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin", "LC_ALL": "C", "no_proxy": "*"}
    home |= {f"GIT_{who}_{what}": "work" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    python = shutil.which("python3", path="/usr/bin") or "python3"
    for _ in range(times):
        for step in _STEPS:
            text = step.replace("{python}", python).replace("{server}", os.fspath(server))
            subprocess.run(["/bin/bash", "-c", text], cwd=folder, env=home, capture_output=True, check=False, preexec_fn=before)
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
