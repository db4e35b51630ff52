"""A shell line on a host, here or over SSH: the script for `sh`, and how its output becomes lines."""

from __future__ import annotations

import asyncio
import codecs
import re
import shlex
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

from rollout.domain import Completed
from rollout.errors import UsageError

WRAPPER = 'script=$(cat); case $script in *=complete=) eval "${script%=complete=}"; esac'
"""The argument of `sh -c`: it reads a script from standard input and runs it, so that no process list shows
the script. One whose end is missing, because the connection broke, is not run."""

FEEDING = f"""read -r size; {WRAPPER.replace("cat", 'head -c "$size"')}"""
"""A wrapper for a script that reads standard input itself: the script's size in bytes comes first, then the
script, then what it reads."""

QUIET = 0.2
"""Seconds of silence after the exit status, after which a background process must be holding the streams."""

PATIENCE = 1.0
"""Seconds that a background process which keeps printing may delay the end, in all."""

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL for a command that is to end."""

CHUNK = 32_768

_BEGIN = "--- rollout: the command begins, process"
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
    ) -> Completed:
        """Run a line as `Host.run` says. A command that times out or is cancelled is ended with its process
        group."""
        return await self._run(WRAPPER, whole(script(line, environment)), timeout, output)

    async def send(
        self,
        line: str,
        content: AsyncIterator[bytes],
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a line with `content` on its standard input, as `Host.send` says."""
        written = whole(feeding_script(line, environment), content)
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
    text = "\n".join([f"unset script; {begin}", f"echo '{_BEGIN}' $$", *exports, line, ""])
    return f"{text}=complete=".encode("utf-8", "surrogateescape")


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
        if self.process is None:
            lines = self._after_beginning(lines)
        if self.process is None or self._output is None:
            self._tail.extend(_shown(line) for line in lines[-_TAIL:])
            return
        for line in lines:
            self._tail.append(_shown(line))
            self._output(self._tail[-1])

    def _after_beginning(self, lines: list[str]) -> list[str]:
        for number, line in enumerate(lines):
            _, begun, process = line.partition(_BEGIN)
            if begun:
                self.process = int(process)
                self._tail.clear()
                return lines[number + 1 :]
        return lines


def _shown(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2][:_WIDTH]
