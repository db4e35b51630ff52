"""Running a program and seeing what it took; what came of it, as ratios."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
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
    printed: int = 0
    """Bytes that it printed."""


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
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{output.read().decode(errors='replace')}\n{command[0]} failed")
        printed = output.tell()
    return Run(seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, printed)


def tell(what: str, figure: str, target: str = "") -> None:
    """One line of the result."""
    print(f"  {what:<44}{figure:>9}   {target and f'target: {target}'}", flush=True)


def tell_seconds(runs: Mapping[str, Sequence[Run]]) -> None:
    """The median of each."""
    for name, ones in runs.items():
        tell(name, f"{median(one.seconds for one in ones):.2f} s")


def tell_ratio(runs: Mapping[str, Sequence[Run]], one: str, other: str, target: str) -> None:
    """The median of the rounds' ratios: both of a round met the same machine."""
    ratios = [mine.seconds / theirs.seconds for mine, theirs in zip(runs[one], runs[other], strict=True)]
    tell(f"{one} / {other}", f"{median(ratios):.2f}", target)
