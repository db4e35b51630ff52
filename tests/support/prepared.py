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
from pathlib import Path

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
    with tempfile.TemporaryDirectory() as outputs:
        files = [Path(outputs) / name for name in ("out", "error")]
        surroundings = (str(folder or Path.cwd()), dict(environment or os.environ), [*map(str, files)])
        process = _CONTEXT.Process(target=_command, args=([*words], *surroundings))
        process.start()
        process.join(timeout)
        late = process.exitcode is None
        process.kill()
        process.join()
        out, error = (file.read_text(errors="replace") if file.exists() else "" for file in files)
        if late:
            raise subprocess.TimeoutExpired([*words], timeout, out, error)
        return subprocess.CompletedProcess([*words], process.exitcode or 0, out, error)


def _command(words: list[str], folder: str, environment: dict[str, str], outputs: list[str]) -> None:
    strategy.DEFAULT_BAKE = BAKE
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv[1:] = words
    sys.exit(main(words))
