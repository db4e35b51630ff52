"""How many children of a process can answer, look after look, while a test does something else."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.agents.processes import Process, children

_LOOK_AGAIN = 0.02


@contextmanager
def capacity(parent: Process, *, loads: float) -> Iterator[list[int]]:
    """Counts the children that have lived for `loads` seconds, before which none can be ready."""
    counts: list[int] = []
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(_LOOK_AGAIN):
            born = (time.clock_gettime(time.CLOCK_BOOTTIME) - loads) * os.sysconf("SC_CLK_TCK")
            counts.append(sum(child.started <= born for child in children(parent)))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield counts
    finally:
        ends.set()
        thread.join()
