"""Running a program and seeing what it took; what came of it, as ratios."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    peak: int = 0
    """Bytes: the most memory that the program's own process held."""
    processor: float = 0.0
    """Seconds of the processor's time that it used."""
    output: str = ""
    """What it printed."""
    first_drain: float = 0.0
    """Seconds until the first node began to drain, of a deployment."""

    @property
    def printed(self) -> int:
        """Characters that it printed."""
        return len(self.output)


def run(command: Sequence[str | Path], environment: Mapping[str, str] = os.environ) -> Run:
    """A whole process. Raises SystemExit, with what it printed, if it fails."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
        if process.returncode:
            raise SystemExit(f"{printed}\n{command[0]} failed")
    return Run(seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, printed)


@contextmanager
def process(command: Sequence[str | Path], *, says: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that runs during the block, once it has printed the line that it `says`."""
    out = subprocess.PIPE if says else None
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, text=True) as running:
        try:
            if running.stdout is not None and running.stdout.readline() != f"{says}\n":
                raise SystemExit(f"{command[0]} did not start")
            yield running
        finally:
            running.terminate()


def haproxy() -> str:
    """The path of HAProxy. Raises SystemExit if it is not installed."""
    path = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise SystemExit("needs the package haproxy")
    return path


def tell(what: str, figure: str, target: str = "") -> None:
    """One line of the result."""
    print(f"  {what:<44}{figure:>9}   {target and f'target: {target}'}", flush=True)


def tell_seconds(runs: Mapping[str, Sequence[Run]]) -> None:
    """The median of each."""
    for name, ones in runs.items():
        tell(name, f"{median(one.seconds for one in ones):.2f} s")


def tell_ratio(runs: Mapping[str, Sequence[Run]], one: str, other: str, target: str) -> None:
    """The ratio of two ways."""
    tell(f"{one} / {other}", f"{ratio(runs, one, other):.2f}", target)


def ratio(runs: Mapping[str, Sequence[Run]], one: str, other: str) -> float:
    """The median of the rounds' ratios: both of a round met the same machine."""
    return median(mine.seconds / theirs.seconds for mine, theirs in zip(runs[one], runs[other], strict=True))


def machine() -> str:
    """The machine, and what else it does: figures of a busy one are worth nothing."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, load before: {load}; Python {platform.python_version()}"
