"""The applications of a site in one process: `python -m benchmarks.applications HOST…`.

Each accepts HAProxy's checks on port 8000 and answers its health page on 8001. `POST /restart` there takes it
down for 0.3 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

CHECKED, PAGE = 8000, 8001
_DOWN = 0.3
"""Seconds that a restart takes."""


class Application:
    def __init__(self, host: str) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None

    async def start(self) -> None:
        self._listen()
        await asyncio.start_server(self._answer, self._host, PAGE)

    def _listen(self) -> None:
        self._listener = socket.create_server((self._host, CHECKED), backlog=4096)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()

    def _restart(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            self._loop.call_later(_DOWN, self._listen)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST /restart "):
                self._restart()
                status = b"202 Accepted"
            else:
                status = b"200 OK" if self._listener is not None else b"503 Service Unavailable"
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            await writer.drain()
        writer.close()


async def main(hosts: list[str]) -> None:
    for host in hosts:
        await Application(host).start()
    print("started", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
