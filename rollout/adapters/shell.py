"""A shell line on a host, here or over SSH: the script for `sh`, and how its output becomes lines."""

from __future__ import annotations

import asyncio
import codecs
import re
import shlex
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

from rollout.domain import Completed, Note
from rollout.errors import NotRun, Superseded, UsageError
from rollout.remote import notes

WRAPPER = 'script=$(cat); case $script in *=complete=) eval "${script%=complete=}"; esac'
"""The argument of `sh -c`: it reads a script from standard input and runs it, so that no process list shows
the script. One whose end is missing, because the connection broke, is not run."""

FEEDING = f"""read -r size; {WRAPPER.replace("cat", 'head -c "$size"')}"""
"""A wrapper for a script that reads standard input itself: the script's size in bytes comes first, then the
script, then what it reads."""

QUIET = 0.2
"""Seconds of silence after the exit status, after which a background process must be holding the streams."""

LATE = 5.0
"""The same while the command has not begun: on a busy machine the exit status may overtake the output."""

PATIENCE = 1.0
"""Seconds that a background process which keeps printing may delay the end, in all."""

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL for a command that is to end."""

CHUNK = 32_768

_BEGIN = "--- rollout: the command begins, process"
_END = "--- rollout: the command ended, status"
_MARKER = re.compile(rf"(.*)(?:{_BEGIN}|({_END})) (\d+)\r?")
"""A line with one of the two, as only a shell that runs them prints it: neither an echo of the script nor a
shell's trace of it matches."""
_TAIL = 20
"""Lines of output that are kept."""
_WIDTH = 4_000
"""Characters of a line that are kept."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ShellHost(ABC):
    """The half of a `Host` that is the same here and over SSH: the script that runs a line."""

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
        note: Note | None = None,
    ) -> Completed:
        """Run a line as `Host.run` says. A command that times out or is cancelled is ended with its process
        group."""
        kept = line if note is None else notes.kept(line, note, timeout)
        return await self._run(WRAPPER, whole(script(kept, environment)), timeout, output)

    async def send(
        self,
        line: str,
        content: AsyncIterator[bytes],
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
        note: Note | None = None,
    ) -> Completed:
        """Run a line with `content` on its standard input, as `Host.send` says."""
        kept = line if note is None else notes.kept(line, note, timeout)
        written = whole(feeding_script(kept, environment), content)
        return await self._run(FEEDING, written, timeout, output)

    @abstractmethod
    async def _run(
        self,
        wrapper: str,
        written: AsyncIterator[bytes],
        timeout: float,
        output: Callable[[str], None] | None,
    ) -> Completed:
        """Run `sh -c wrapper` with `written` on its standard input."""


def script(line: str, environment: Mapping[str, str]) -> bytes:
    """The standard input of `WRAPPER` that runs `line`. Raises UsageError for the name of a variable."""
    return _script("exec </dev/null 2>&1", line, environment)


def feeding_script(line: str, environment: Mapping[str, str]) -> bytes:
    """The standard input of `FEEDING` that runs `line`, up to what `line` reads. Raises UsageError."""
    text = _script("unset size; exec 2>&1", line, environment)
    return f"{len(text)}\n".encode() + text


def _script(begin: str, line: str, environment: Mapping[str, str]) -> bytes:
    for name in environment:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be the name of an environment variable")
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    markers = f'trap \'echo "{_END}" $?\' EXIT; echo "{_BEGIN}" $$'
    text = "\n".join([f"unset script; {begin}", markers, *exports, line, ""])
    return f"{text}=complete=".encode("utf-8", "surrogateescape")


def completed(host: str, status: int, printed: Printed) -> Completed:
    """The result of a command whose login ended with `status`.

    The status that the command's own shell printed counts: a login may end with another one. A line that
    ends by `exec` prints none. Raises NotRun if the command never began, whatever the login's status, and
    Superseded if the node has been claimed since.
    """
    tail = printed.end()
    if printed.claimed_by:
        raise Superseded(host, printed.claimed_by)
    if printed.process is None:
        raise NotRun(host, status, tail)
    return Completed(status if printed.status is None else printed.status, tail)


async def whole(script: bytes, content: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    """The pieces of a script, then those of the content that its line reads."""
    yield script
    if content is not None:
        async for data in content:
            yield data


async def ended(writing: asyncio.Task[None]) -> None:
    """Stop writing to a command that has ended. Raises the error of the content, if it had one."""
    writing.cancel()
    await asyncio.wait([writing])
    if not writing.cancelled():
        writing.result()


class Printed:
    """The output of a command as lines, in bounded memory.

    A line is what a terminal would show of it (after the last carriage return), cut at 4,000 characters;
    bytes that are not UTF-8 are replaced. What the login shell prints before the command begins is dropped,
    unless the command never begins: then it is the reason.
    """

    def __init__(self, output: Callable[[str], None] | None) -> None:
        self.process: int | None = None
        """The shell's process number, which is its group's too, once the command has begun."""
        self.status: int | None = None
        """The exit status that the shell printed, once the command has ended."""
        self.claimed_by = ""
        """Who has claimed the node since, so that the command did not begin."""
        self._output = output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the output."""
        self._fold(self._decoder.decode(data))

    def end(self) -> tuple[str, ...]:
        """The last lines, oldest first; a last one without a line end counts."""
        self._fold(self._decoder.decode(b"", final=True))
        if self._rest:
            self._fold("\n")
        return tuple(self._tail)

    def _fold(self, text: str) -> None:
        *lines, rest = (self._rest + text).split("\n")
        self._rest = _shown(rest) + ("\r" if rest.endswith("\r") else "")
        for line in lines:
            self._take(line)

    def _take(self, line: str) -> None:
        marker = _MARKER.fullmatch(line)
        if self.process is not None and line.startswith(notes.SUPERSEDED):
            self.claimed_by = line.removeprefix(notes.SUPERSEDED)
        elif marker is None:
            self._show(line)
        elif marker[2] is None:
            self.process = int(marker[3])
            self._tail.clear()
        else:
            self.status = int(marker[3])
            if marker[1]:
                self._show(marker[1])

    def _show(self, line: str) -> None:
        self._tail.append(_shown(line))
        if self.process is not None and self._output is not None:
            self._output(self._tail[-1])


def _shown(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2][:_WIDTH]
