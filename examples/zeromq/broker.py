"""Takes jobs from clients and gives each to an idle worker, and to another one if no answer comes in time.

usage: broker.py CLIENTS WORKERS PATIENCE
   CLIENTS, WORKERS   two addresses to bind, such as ipc:///run/words/clients or tcp://127.0.0.1:4010
   PATIENCE           seconds for a job, after which it runs again elsewhere

A client (REQ or DEALER) sends a job and gets its answer. A worker (DEALER) sends, and receives:

   ready                  it is idle                  welcome
   done NUMBER ANSWER     it is idle again            job NUMBER JOB
   leave                  it wants no more jobs       bye; or first the job that was on its way to it
   last NUMBER ANSWER     both                        bye

A job stays here until its answer comes, so none is lost with a worker that is killed. But it may run twice.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass

import zmq

TRIES = 5
"""A job that no worker survives is answered with `failed`."""


@dataclass
class Job:
    envelope: list[bytes]
    text: bytes
    tries: int = 0


class Broker:
    def __init__(self, clients: str, workers: str, patience: float) -> None:
        context = zmq.Context.instance()
        self._clients = context.socket(zmq.ROUTER)
        self._workers = context.socket(zmq.ROUTER)
        self._workers.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a worker that is gone is an error, not silence
        self._clients.bind(clients)
        self._workers.bind(workers)
        self._poller = zmq.Poller()
        self._poller.register(self._clients, zmq.POLLIN)
        self._poller.register(self._workers, zmq.POLLIN)
        self._patience = patience
        self._last = 0
        self._jobs: dict[bytes, Job] = {}  # jobs without an answer, by their numbers
        self._waiting: deque[bytes] = deque()  # jobs that no worker has
        self.busy: dict[bytes, tuple[bytes, float]] = {}  # workers, the job of each, and until when it has it
        self.idle: dict[bytes, None] = {}  # the other workers, the one that has waited longest first

    def turn(self) -> None:
        sockets = dict(self._poller.poll(100))
        if self._clients in sockets:
            self.from_client(*self._clients.recv_multipart())
        if self._workers in sockets:
            self.from_worker(*self._workers.recv_multipart())
        self._take_back()
        self._give()

    def from_client(self, *frames: bytes) -> None:
        self._last += 1
        number = b"%d" % self._last
        self._jobs[number] = Job([*frames[:-1]], frames[-1])
        self._waiting.append(number)

    def from_worker(self, worker: bytes, verb: bytes, *more: bytes) -> None:
        if verb in (b"done", b"last"):
            number, answer = more
            if number == self._job_of(worker):  # otherwise the worker has another job by now
                del self.busy[worker]
            self._answer(number, answer)
        if worker in self.busy:
            return  # a job is on its way to it
        if verb in (b"leave", b"last"):
            self.idle.pop(worker, None)
            self._tell(worker, b"bye")
        else:
            self.idle[worker] = None
            if verb == b"ready":
                self._tell(worker, b"welcome")

    def _job_of(self, worker: bytes) -> bytes:
        return self.busy.get(worker, (b"", 0.0))[0]

    def _give(self) -> None:
        while self._waiting and self.idle:
            number = self._waiting.popleft()
            if number not in self._jobs:
                continue  # answered after all, by the worker from which it was taken back
            worker = next(iter(self.idle))
            del self.idle[worker]
            if self._tell(worker, b"job", number, self._jobs[number].text):
                self.busy[worker] = (number, time.monotonic() + self._patience)
            else:
                self._waiting.appendleft(number)

    def _take_back(self) -> None:
        now = time.monotonic()
        for worker in [worker for worker, (_, due) in self.busy.items() if due < now]:
            number, _ = self.busy.pop(worker)
            job = self._jobs.get(number)
            if job is None:
                continue  # answered after all
            job.tries += 1
            if job.tries < TRIES:
                self._waiting.appendleft(number)
            else:
                self._answer(number, b"failed")

    def _answer(self, number: bytes, answer: bytes) -> None:
        job = self._jobs.pop(number, None)
        if job is not None:  # else another worker was faster
            self._clients.send_multipart([*job.envelope, answer])

    def _tell(self, worker: bytes, *frames: bytes) -> bool:
        """Send to a worker; return whether it is still there."""
        try:
            self._workers.send_multipart([worker, *frames])
        except zmq.ZMQError:
            return False
        return True


if __name__ == "__main__":
    broker = Broker(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    while True:
        broker.turn()
