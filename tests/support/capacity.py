"""How many children of a process can answer, look after look, while a test does something else."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.agents.common.proc import Process, children

_LOOK_AGAIN = 0.02


@contextmanager
def capacity(parent: Process) -> Iterator[list[int]]:
    """Counts the children that catch SIGTERM, which those of the examples do from when they are ready."""
    counts: list[int] = []
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(_LOOK_AGAIN):
            counts.append(sum(map(_catches_term, children(parent))))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield counts
    finally:
        ends.set()
        thread.join()


def _catches_term(process: Process) -> bool:
    try:
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)
