"""A dictionary over HTTP: several processes read one LMDB file, and open another one on SIGHUP.

usage: server.py FOLDER HOST PORT PIDFILE

FOLDER/current leads to a folder with words.lmdb. A process opens the new file beside the old one and
switches to it between two requests. If it cannot be opened, that is reported, and the old one keeps
serving. `/_status` reports a release only when every process serves it, and `/WORD` answers what the
dictionary says.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import lmdb

PROCESSES = 3
WIDTH = 256


class Words:
    """One version of the dictionary. Raises lmdb.Error if it cannot be opened."""

    def __init__(self, current: Path) -> None:
        folder = current.resolve()  # the link will lead elsewhere one day, and LMDB knows its files by name
        self.release = folder.name
        self._opened = lmdb.open(str(folder / "words.lmdb"), subdir=False, readonly=True, lock=False)

    def find(self, word: str) -> bytes | None:
        with self._opened.begin() as look:
            return look.get(word.encode())


class Board:
    """The release that each process serves, in memory that they share."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, PROCESSES * WIDTH)

    def write(self, process: int, release: str) -> None:
        self._shared[process * WIDTH : (process + 1) * WIDTH] = release.encode().ljust(WIDTH, b"\0")

    def read(self) -> set[str]:
        slots = range(0, PROCESSES * WIDTH, WIDTH)
        return {self._shared[slot : slot + WIDTH].rstrip(b"\0").decode() for slot in slots}


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 5

    def do_GET(self) -> None:
        words = self.server.words  # a signal may change it while we answer
        if self.path != "/_status":
            found = words.find(self.path.removeprefix("/"))
            self._answer(200 if found else 404, found or b"no such word\n")
            return
        served = self.server.board.read()
        status: dict[str, Any] = {"release": served.pop() if len(served) == 1 else None}
        self._answer(200, json.dumps(status).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Server(HTTPServer):
    """Runs as one of the processes."""

    def __init__(self, listening: socket.socket, number: int, current: Path, board: Board) -> None:
        super().__init__(listening.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.board = board
        self._number = number
        self._current = current
        self.reopen()
        signal.signal(signal.SIGHUP, lambda *_: self.reopen())

    def reopen(self) -> None:
        try:
            self.words = Words(self._current)
        except lmdb.Error as error:
            if not hasattr(self, "words"):
                raise
            sys.stderr.write(f"process {os.getpid()} still serves {self.words.release}: {error}\n")
        self.board.write(self._number, self.words.release)


def main(folder: str, host: str, port: str, pidfile: str) -> None:
    listening = socket.create_server((host, int(port)), backlog=1024)
    board = Board()
    children = []
    handled = {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    for number in range(PROCESSES):
        children.append(os.fork())
        if children[-1] == 0:
            server = Server(listening, number, Path(folder) / "current", board)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
            server.serve_forever()
    Path(pidfile).write_text(str(os.getpid()))
    while (caught := signal.sigwait(handled)) == signal.SIGHUP:
        for child in children:
            os.kill(child, signal.SIGHUP)
    for child in children:  # all end together, so that whoever started them starts all of them anew
        os.kill(child, signal.SIGTERM)
    sys.exit(caught == signal.SIGCHLD)


if __name__ == "__main__":
    main(*sys.argv[1:])
