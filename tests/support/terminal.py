"""A terminal on which a program runs: what stands on its screen, and what is typed there."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyte

from tests.support.until import wait


class Terminal:
    """A program, and the screen that it draws on."""

    def __init__(self, process: subprocess.Popen[str], end: int, columns: int, lines: int) -> None:
        self.process = process
        self.written = ""
        self._end = end
        self._lock = threading.Lock()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without blanks at their ends."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def shows(self, *parts: str, within: float = 30.0) -> None:
        """Wait until all parts stand on the screen."""
        wait(lambda: all(part in self.text for part in parts), f"{parts} on the screen", within=within)

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Change the window's size, as a person does: the kernel sends SIGWINCH."""
        with self._lock:
            self._screen.resize(lines, columns)
            _set_size(self._end, columns, lines)

    def code(self) -> int:
        """The exit code, once the program has ended and all is drawn."""
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code

    @property
    def echoes(self) -> bool:
        """Whether what is typed shows."""
        return bool(termios.tcgetattr(self._end)[3] & termios.ECHO)

    def _read(self) -> None:
        try:
            while data := os.read(self._end, 65536):
                with self._lock:
                    self.written += data.decode(errors="replace")
                    self._stream.feed(data)
        except OSError:  # the other side is closed
            pass


@contextmanager
def on_terminal(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    columns: int = 100,
    lines: int = 30,
) -> Iterator[Terminal]:
    """A program with a terminal of its own, in which it runs in front. It is ended afterwards."""
    ours, theirs = pty.openpty()
    _set_size(ours, columns, lines)

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [*command],
        cwd=folder,
        env={**environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        text=True,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours, columns, lines)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _set_size(end: int, columns: int, lines: int) -> None:
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
