"""Does one job after the other, and shows that it is alive by touching the file BEATS/PID.

usage: worker.py BROKER BEATS SUPERVISOR

On SIGTERM it finishes: it does the jobs that are already on their way to it, and no others. It ends when
its supervisor, whose process id it gets, is gone.
"""

import os
import signal
import sys
from pathlib import Path

import zmq
from work import work  # whatever takes its time to load is loaded before the first beat

_IDLE = 200
"""Milliseconds without a job after which it reports to the broker again, which may be another one by now."""


def main(broker: str, beats: str, supervisor: str) -> None:
    asked: set[int] = set()
    signal.signal(signal.SIGTERM, lambda number, _: asked.add(number))
    beat = Path(beats, str(os.getpid()))
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(broker)
    socket.send(b"ready")
    welcome = leaving = False
    while os.getppid() == int(supervisor):
        if socket.poll(_IDLE):
            verb, *more = socket.recv_multipart()
            if verb == b"bye":
                return
            if verb == b"job":
                number, job = more
                socket.send_multipart([b"last" if leaving else b"done", number, work(job)])
            welcome = True
        else:
            socket.send(b"leave" if leaving else b"ready")
        if asked and not leaving:
            leaving = True
            socket.send(b"leave")
        if welcome and not leaving:
            beat.touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
