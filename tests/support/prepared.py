"""`rollout` in a process of its own that need not import it first, most of a short command's time.

It is forked from a server that has imported everything and done nothing yet.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rollout.cli.main import VERBS, main
from rollout.inventory import strategy

BAKE = 0.3
"""Seconds of the bake that no inventory asked for."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "pytest",  # the program that runs the tests, which is imported as well
        "rollout.adapters.http",
        "rollout.adapters.ssh",
        *(f"rollout.cli.verbs.{verb}" for verb in VERBS),
    ]
)


def run(
    words: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with nothing to read. `timeout` is in seconds.

    Raises subprocess.TimeoutExpired, and ends it.
    """
    with tempfile.TemporaryFile("a+") as out, tempfile.TemporaryFile("a+") as error:
        process = start(words, out.fileno(), error.fileno(), folder=folder, environment=environment)
        process.join(timeout)
        late = process.exitcode is None
        process.kill()
        process.join()
        printed = [_all_of(file.fileno()) for file in (out, error)]
        if late:
            raise subprocess.TimeoutExpired([*words], timeout, *printed)
        return subprocess.CompletedProcess([*words], process.exitcode or 0, *printed)


def start(
    words: Sequence[str],
    *outputs: int,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> BaseProcess:
    """A command that has begun, with nothing to read. `outputs` are the files of its standard output and
    error, as numbers that may be closed now."""
    surroundings = (str(folder or Path.cwd()), dict(environment or os.environ))
    process = _CONTEXT.Process(target=_command, args=([*words], *surroundings, [*map(_Passed, outputs)]))
    process.start()
    return process


class _Passed:
    """An open file on its way to another process, where it is a number again."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (reduction.DupFd(self._number),)


def _arrived(file: Any) -> int:
    return int(file.detach())


def _command(words: list[str], folder: str, environment: dict[str, str], outputs: list[int]) -> None:
    strategy.DEFAULT_BAKE = BAKE
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(outputs, 1):
        os.dup2(file, number)
        os.close(file)
    # As Python begins with them: those of the server know what its own files are.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.argv[1:] = words
    sys.exit(main(words))


def _all_of(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with open(file, errors="replace", closefd=False) as text:
        return text.read()
