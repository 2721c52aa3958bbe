# SPDX-License-Identifier: Apache-2.0
"""
A network of its own in which a cloud's metadata address answers, run as a program: prints ``ready``, then serves until its input ends.

The namespace lives as long as the process; others enter it by ``/proc/PID/ns/net``.
Nothing of the machine's own network is touched, and no packet leaves.
"""

from __future__ import annotations

import ctypes
import socketserver
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
ADDRESS, PORT = "169.254.169.254", 80


class Metadata(BaseHTTPRequestHandler):
    """Answers everything with a harmless word."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"i-test\n")

    def log_message(self, *_arguments):
        """Say nothing."""


def main() -> None:
    """Make the namespace, serve, wait for the end of the input."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    server = socketserver.ThreadingTCPServer((ADDRESS, PORT), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)  # noqa: T201  # to the test that started this
    sys.stdin.read()


if __name__ == "__main__":
    main()
