"""The part of a terminal that is redrawn, below lines that stay."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rich.console import Console, ConsoleRenderable, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

_PER_SECOND = 5
_KEPT = 200
"""Lines above that are printed again when the window is drawn anew."""
_SIGNALS = (signal.SIGWINCH, signal.SIGCONT)
"""The window has another size, or others have written in it while this process was stopped."""


class Screen(Live):
    """A live display that draws only when it may, and the whole window when that was changed by others.

    A terminal whose size changes breaks or cuts what was drawn, each in its own way, so nobody knows how many
    lines that takes: some of them would stay behind.
    """

    def __init__(
        self,
        console: Console,
        render: Callable[[], RenderableType],
        may_draw: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_draw` says whether the terminal has taken everything so far: one that is stopped gets no
        further tables, which would all have to be drawn later."""
        self._may_draw = may_draw
        self._above: deque[Text] = deque(maxlen=_KEPT)
        self._is_stale = False
        """Whether nobody knows what stands in the window."""
        self._before: dict[signal.Signals, Any] = {}
        """What was done at these signals before."""
        super().__init__(console=console, get_renderable=render, refresh_per_second=_PER_SECOND)

    def start(self, refresh: bool = False) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = {which: signal.signal(which, self._note_stale) for which in _SIGNALS}
        super().start(refresh)

    def stop(self) -> None:
        super().stop()
        while self._before:
            signal.signal(*self._before.popitem())

    def _note_stale(self, *_: object) -> None:
        self._is_stale = True

    def print(self, line: Text) -> None:
        """Print a line above what is redrawn."""
        self.console.print(line)
        self._above.append(line)

    def refresh(self) -> None:
        if self._may_draw():
            super().refresh()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        if not self._is_stale:
            return super().process_renderables(renderables)
        self._is_stale = False
        self._live_render._shape = None
        clear = Control(ControlType.HOME, ControlType.CLEAR)
        above = [*self._above][-self.console.size.height :]
        return super().process_renderables([clear, *above, *renderables])
