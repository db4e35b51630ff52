"""Steady jobs from a thread of its own, while a test does something else; every answer is kept."""

from __future__ import annotations

import queue
import threading
import time
from typing import Self

import zmq

from tests.support.background import Background
from tests.support.until import wait

_APART = 10
"""Milliseconds between two jobs."""
_PATIENCE = 30.0


class Jobs(Background):
    """A hundred jobs a second, until the block ends; then the answers that are missing are waited for."""

    def __init__(self, clients: str) -> None:
        super().__init__()
        self._address = clients
        self._more: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.sent: dict[int, str] = {}
        self.answers: dict[int, str] = {}

    @property
    def lost(self) -> list[str]:
        return [text for number, text in self.sent.items() if number not in self.answers]

    def send(self, text: str) -> int:
        """One more job; its number."""
        with self._lock:
            number = len(self.sent)
            self.sent[number] = text
        self._more.put((number, text))
        return number

    def answer(self, number: int) -> str:
        wait(lambda: number in self.answers, f"the answer to {self.sent[number]}", within=_PATIENCE)
        return self.answers[number]

    def __enter__(self) -> Self:
        super().__enter__()
        self.answer(self.send("first"))
        return self

    def _run(self) -> None:
        with zmq.Context.instance().socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(self._address)
            while not self._ends.is_set():
                self.send("steady")
                while not self._more.empty():
                    number, text = self._more.get()
                    socket.send_multipart([str(number).encode(), text.encode()])
                self._receive(socket)
            deadline = time.monotonic() + _PATIENCE
            while self.lost and time.monotonic() < deadline:
                self._receive(socket)

    def _receive(self, socket: zmq.Socket[bytes]) -> None:
        """What comes until it is time for the next job."""
        until = time.monotonic() + _APART / 1000
        while socket.poll(max(0, round((until - time.monotonic()) * 1000))):
            number, answer = socket.recv_multipart()
            assert int(number) not in self.answers, "answered twice"
            self.answers[int(number)] = answer.decode()
