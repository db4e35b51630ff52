"""Keeps workers running, and on SIGHUP replaces them all, new ones first.

usage: supervisor.py PIDFILE BEATS CURRENT BROKER WORKERS SILENCE
   BEATS     a folder in which each worker touches the file of its pid
   CURRENT   the release, usually a symlink; its worker.py is run
   WORKERS   how many
   SILENCE   seconds without a beat after which a worker is ended: more than its start, or a job, ever takes

A worker that ends is replaced by one of the same release. On SIGHUP, as many workers of the release that
CURRENT leads to by then are started. When all of them beat, the old ones are asked to finish. If one of
them ends before that, the other new ones are asked to finish, and the old ones keep running. SIGTERM ends the
supervisor when the last worker has finished.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LOOK_AGAIN = 0.05
REST = 1.0
"""Seconds between two replacements, for workers that end as soon as they start."""


class Worker:
    def __init__(self, release: str, broker: str, beats: str) -> None:
        self.release = release
        words = [f"{release}/worker.py", broker, beats, str(os.getpid())]
        self.process = subprocess.Popen([sys.executable, *words])
        self._started = time.time()
        self._beat = Path(beats, str(self.process.pid))

    def __str__(self) -> str:
        return f"worker {self.process.pid} of {self.release}"

    def beats(self) -> bool:
        return self._last_beat() > self._started

    def silent_for(self) -> float:
        return time.time() - max(self._last_beat(), self._started)

    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self._beat.unlink(missing_ok=True)
        return True

    def _last_beat(self) -> float:
        return self._beat.stat().st_mtime if self._beat.exists() else 0.0


class Supervisor:
    def __init__(self, beats: str, current: str, broker: str, count: int, silence: float) -> None:
        self._beats = beats
        self._current = current
        self._broker = broker
        self._count = count
        self._silence = silence
        self._serving = self._start_all()
        self._coming: list[Worker] = []
        self._leaving: list[Worker] = []
        self._rests_until = 0.0
        self._asked: list[int] = []

    def run(self, pidfile: Path) -> None:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._asked.append(number))
        pidfile.write_text(f"{os.getpid()}\n")
        while self._count or self._leaving:
            while self._asked:
                if self._asked.pop(0) == signal.SIGTERM:
                    self._count = 0
                    self._finish(self._serving)
                self._finish(self._coming)
                self._coming = self._start_all()
            self._end_silent()
            self._switch_or_give_up()
            self._replace_ended()
            time.sleep(LOOK_AGAIN)
        pidfile.unlink()

    def _start_all(self) -> list[Worker]:
        release = os.path.realpath(self._current)
        return [Worker(release, self._broker, self._beats) for _ in range(self._count)]

    def _finish(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.process.terminate()
        self._leaving += workers
        workers.clear()

    def _end_silent(self) -> None:
        for worker in (*self._serving, *self._coming, *self._leaving):
            if worker.silent_for() > self._silence and not worker.ended():
                say(f"{worker} does not beat any more: ended")
                worker.process.kill()

    def _switch_or_give_up(self) -> None:
        ended = [worker for worker in self._coming if worker.ended()]
        if ended:
            say(f"{ended[0]} ended before all were ready: given up")
            self._finish(self._coming)
        elif self._coming and all(worker.beats() for worker in self._coming):
            say(f"{len(self._coming)} workers of {self._coming[0].release} are ready")
            self._finish(self._serving)
            self._serving, self._coming = self._coming, []

    def _replace_ended(self) -> None:
        self._leaving = [worker for worker in self._leaving if not worker.ended()]
        for worker in self._serving:
            if worker.ended() and time.monotonic() > self._rests_until:
                say(f"{worker} ended with {worker.process.returncode}: replaced")
                self._serving.remove(worker)
                self._serving.append(Worker(worker.release, self._broker, self._beats))
                self._rests_until = time.monotonic() + REST
                return


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    _, pidfile, beats, current, broker, count, silence = sys.argv
    Supervisor(beats, current, broker, int(count), float(silence)).run(Path(pidfile))
