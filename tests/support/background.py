"""Work in a thread of its own, for as long as a block lasts."""

from __future__ import annotations

import threading
from typing import Self


class Background:
    """As a context manager it begins `_run` in a thread, and waits for its end when the block ends."""

    def __init__(self) -> None:
        self._ends = threading.Event()
        """Set when the block ends; `_run` must return soon afterwards."""
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.set()
        self._thread.join()
