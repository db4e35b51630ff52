"""Threads for paramiko, which blocks. All other code awaits, but for what may hang for ever: the journal's
disk and the reader of the output, each of which has a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_WORKERS = 256


class Threads:
    """A pool of threads, made as they are needed. They end when the pool is no longer referenced."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="ssh")

    async def run(self, work: Callable[[], T], *, discard: Callable[[T], object] | None = None) -> T:
        """The result of `work`, run in a thread; its errors are raised.

        A thread cannot be cancelled: whoever cancels this must close what `work` waits for. `discard` gets a
        result that comes when nobody waits any more.
        """
        future = self._executor.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if discard is not None:
                future.add_done_callback(lambda done: _hand_over(done, discard))
            raise

    def start(self, work: Callable[[], object]) -> None:
        """Run `work` in a thread without waiting for it."""
        self._executor.submit(work)


def _hand_over(done: concurrent.futures.Future[T], discard: Callable[[T], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        discard(done.result())
