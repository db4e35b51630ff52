"""Undoing what an agent began, even if the agent itself is killed."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Any, Callable, Optional, Type


class Undo:
    """A process of its own that calls `undo` with the last note when the block ends, however it ends.

    It calls nothing if there is no note, or if the agent said that it is `finished()`. The process outlives
    its agent by as long as `undo` takes.
    """

    def __init__(self, undo: Callable[[Any], None]) -> None:
        reading, self._writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._writing)
                _stand_by(reading, undo)
            finally:
                os._exit(0)
        os.setpgid(self._pid, self._pid)  # a signal to the agent's group is not meant for this process
        os.close(reading)

    def note(self, state: Any) -> None:
        """Keep what `undo` must know from now on: anything that JSON can carry."""
        os.write(self._writing, json.dumps(state).encode() + b"\n")

    def finished(self) -> None:
        """Note that nothing needs to be undone any more."""
        self.note(None)

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        os.close(self._writing)
        os.waitpid(self._pid, 0)


def _stand_by(reading: int, undo: Callable[[Any], None]) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    with os.fdopen(reading) as notes:
        state = None
        for note in notes:
            state = json.loads(note)
    if state is not None:
        undo(state)
