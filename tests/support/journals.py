"""A journal for a while, and other processes that use it too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rollout.adapters.journal import SqliteJournal
from rollout.events import Event, Warned

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[SqliteJournal]:
    journal = await SqliteJournal.open(path, **options)
    try:
        yield journal
    finally:
        await journal.aclose()


async def begun(journal: SqliteJournal, service: str = "shop", *events: Event) -> int:
    """The number of a new deployment with these first events, or with one."""
    first = events or [Warned("begun")]
    records = await journal.begin(service, first, lambda records: {"events": len(records)})
    return records[0].deployment


async def numbers(journal: SqliteJournal, service: str = "shop") -> list[int]:
    return [*await journal.summaries(service)]


def run_python(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process with the project importable."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """What a process printed that must end well."""
    with process:
        try:
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, error
    return out
