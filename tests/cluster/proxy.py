# SPDX-License-Identifier: Apache-2.0
"""
A TCP proxy in front of the API server that can be made slow, cut, and closed: ``proxy.py HOST PORT``.

It says on standard output where it listens, and takes words on standard input,
answering each with a line: ``open``, ``slow``, ``cut`` (every connection, now),
``closed`` (cut, and refuse new ones). It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys

PIECE_BYTES, PAUSE_S = 512, 0.02
"""What is passed on at a time when slow: 25 kB a second."""


class Proxy:
    """Connections to one server."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.mode = "open"
        self.writers: set[asyncio.StreamWriter] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both directions until either side, or a word, ends it."""
        if self.mode == "closed":
            writer.close()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.server)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, there_writer}
        await asyncio.gather(self.passed_on(reader, there_writer), self.passed_on(there_reader, writer))
        self.writers -= {writer, there_writer}

    async def passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction."""
        try:
            while data := await reader.read(PIECE_BYTES if self.mode == "slow" else 65_536):
                writer.write(data)
                await writer.drain()
                if self.mode == "slow":
                    await asyncio.sleep(PAUSE_S)
        except OSError:
            pass
        finally:
            writer.close()

    def told(self, word: str) -> None:
        """Do what *word* says."""
        if word in ("cut", "closed"):
            for writer in self.writers:
                writer.transport.abort()
        if word != "cut":
            self.mode = word


async def main(host: str, port: int) -> None:
    """Serve until standard input ends."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0, limit=PIECE_BYTES * 4)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    while word := await asyncio.to_thread(sys.stdin.readline):
        proxy.told(word.strip())
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
