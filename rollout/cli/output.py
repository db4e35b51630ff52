"""Standard output and standard error while nodes may be in flight: nobody waits for whoever reads them.

A terminal that is stopped by Ctrl-S, `less`, or a log collector that hangs takes no more output, for as long
as it likes. A thread writes in place of the event loop, so the guards and the lock's sign of life go on.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import UnsupportedOperation
from typing import Any, TextIO, cast

_MOST_WAITING = 8_000_000
"""Bytes that wait to be written; beyond that, the oldest lines are dropped."""
_LAST_PATIENCE = 5.0
"""Seconds at the end for what still waits. The exit code is the same whether or not somebody reads it."""


class UnblockedStream:
    """A text stream whose writes return at once."""

    def __init__(self, stream: TextIO, writer: _Writer) -> None:
        """Raises OSError where `stream` is no file."""
        self._stream = stream
        self._file = stream.fileno()
        self._writer = writer
        self.notice: Callable[[int], str] = not_shown
        """What is written in place of so many lines that were dropped."""

    @property
    def behind(self) -> bool:
        """Whether something still waits to be written."""
        return self._writer.busy

    def write(self, text: str) -> int:
        data = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
        self._writer.put(self._file, data, self.notice)
        return len(text)

    def flush(self) -> None:
        """Does nothing: all is written as soon as somebody reads it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Writer:
    """The thread that writes to one file. It never keeps the process alive."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._dropped = 0
        self._notice: Callable[[int], str] = not_shown
        self._writing = False
        self._is_closed = False
        self._ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="output", daemon=True).start()

    @property
    def busy(self) -> bool:
        return self._writing or bool(self._waiting)

    def put(self, file: int, data: bytes, notice: Callable[[int], str]) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._waiting.append((file, data))
            self._size += len(data)
            while self._size > _MOST_WAITING and len(self._waiting) > 1:
                _, oldest = self._waiting.popleft()
                self._size -= len(oldest)
                self._dropped += oldest.count(b"\n")
                self._notice = notice
            self._changed.notify_all()

    def is_done_by(self, deadline: float) -> bool:
        """Whether all was written by `deadline`, on the monotonic clock. Blocks until it is. The thread ends
        then."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self.busy, max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                if self._is_closed:
                    self._waiting.clear()
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                file, data = self._waiting.popleft()
                self._size -= len(data)
                if self._dropped:
                    data = self._notice(self._dropped).encode() + data
                    self._dropped = 0
                self._writing = True
            try:
                while data:
                    data = data[os.write(file, data) :]
            except OSError:
                # A reader that went away must not end a deployment halfway, and the journal has it all.
                self._is_closed = True


def not_shown(lines: int) -> str:
    """The line in place of so many that were dropped."""
    return f"… {lines} lines were not shown, because nobody read them\n"


@contextmanager
def unblocked_output() -> Iterator[None]:
    """A context in which writing to standard output and standard error never blocks.

    At its end, what still waits is given five seconds. After that, it is dropped.
    """
    before = sys.stdout, sys.stderr
    writers: dict[tuple[int, int], _Writer] = {}
    sys.stdout, sys.stderr = (_unblocked(stream, writers) for stream in before)
    try:
        yield
    finally:
        deadline = time.monotonic() + _LAST_PATIENCE
        if all(writer.is_done_by(deadline) for writer in writers.values()):
            sys.stdout, sys.stderr = before


def _unblocked(stream: TextIO, writers: dict[tuple[int, int], _Writer]) -> TextIO:
    """The stream with a writer of its own, or that of another stream to the same file: lines keep their
    order. One that is no file is left as it is."""
    try:
        stream.flush()
        status = os.fstat(stream.fileno())
    except (OSError, UnsupportedOperation, AttributeError):
        return stream
    place = status.st_dev, status.st_ino
    if place not in writers:
        writers[place] = _Writer()
    return cast(TextIO, UnblockedStream(stream, writers[place]))
