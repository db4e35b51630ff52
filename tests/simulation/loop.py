"""An event loop in which time is a number: it jumps to the next timer whenever nothing else is to be done.

No socket, no thread, no sleeping; two runs of the same code take the same way.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_BUSY = 500_000
"""Callbacks without time passing: something spins."""
_ENDING = 100
"""Times that a task is cancelled at the end; one that still waits then is forgotten."""


class Deadlock(Exception):
    """Nothing is ready, and no timer will ever make it so."""


class Spinning(Exception):
    """One callback follows the other, and time does not pass."""


class Call:
    """Something to be called: as much of a handle as asyncio needs."""

    __slots__ = ("arguments", "callback")

    def __init__(self, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        self.callback = None
        self.arguments = ()


class SimTask(asyncio.Task[T]):
    """Hashed by the order of its making: a set of tasks is then walked in the same order in every run.

    `owner` is the process whose task it is; `None` for a task of the world's.
    """

    def __init__(self, number: int, owner: object, coroutine: Coroutine[Any, Any, T], **options: Any) -> None:
        self._number = number
        self.owner = owner
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """What is called raises through `run_forever`; contexts are not kept apart."""

    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self.owner: Any = None
        """The `rollout` process that is at work; where there is one at a time, the one that came last."""
        self._now = 0.0
        self._soon: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._made = 0
        self._signals: dict[tuple[object, int], Callable[[], object]] = {}
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now

    def now(self) -> float:
        """The world's time, which goes on for a process that sleeps."""
        return self._now

    def start(self, owner: object, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The main task of a process."""
        self.owner = owner
        return self.create_task(main)

    # What asyncio wants back is a handle to cancel; its own ones are what costs most in a loop like this.
    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        call = Call(callback, arguments)
        self._soon.append(call)
        return call

    def call_later(self, delay: float, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_at(self._now + delay, callback, *arguments)

    def call_at(self, when: float, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        call = Call(callback, arguments)
        self._made += 1
        heapq.heappush(self._timers, (when, self._made, call))
        return call

    def add_signal_handler(self, sig: int, callback: Any, *arguments: Any) -> None:  # type: ignore[override]
        self._signals[self.owner, sig] = lambda: callback(*arguments)

    def remove_signal_handler(self, sig: int) -> bool:
        return self._signals.pop((self.owner, sig), None) is not None

    def send_signal(self, sig: int) -> None:
        """To the process that is at work. One that it does not handle does nothing."""
        if (self.owner, sig) in self._signals:
            self._signals[self.owner, sig]()

    def wake_all(self) -> None:
        """Nobody sleeps here."""

    def _asyncgen_finalizer_hook(self, generator: object) -> None:
        """What a killed process leaves behind is left as it is."""

    def call_soon_threadsafe(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        raise AssertionError("a simulation knows no threads")

    def run_in_executor(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]
        raise AssertionError("a simulation knows no threads")

    def _run_once(self) -> None:
        """All that is ready, and then what is due next, until the loop is stopped."""
        soon, timers = self._soon, self._timers
        calls = 0
        while not self._stopping:
            if soon:
                call = soon.popleft()
            elif timers:
                when, _, call = heapq.heappop(timers)
                if when > self._now:
                    self._now = when
                    calls = 0
            else:
                raise Deadlock
            if call.callback is not None:
                calls += 1
                if calls > _BUSY:
                    raise Spinning
                call.callback(*call.arguments)

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        self._made += 1
        return SimTask(self._made, self.owner, coroutine, loop=loop, **options)


def world_time() -> float:
    """The world's time in seconds."""
    loop = asyncio.get_running_loop()
    return loop.now() if isinstance(loop, VirtualLoop) else loop.time()


def of_the_world(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that goes on whatever becomes of the process that made it."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        return loop.create_task(coroutine)
    owner, loop.owner = loop.owner, None
    try:
        return loop.create_task(coroutine)
    finally:
        loop.owner = owner


def run(main: Coroutine[Any, Any, T], new_loop: Callable[[], VirtualLoop] = VirtualLoop) -> T:
    """Run it to its end in virtual time. Tasks that it leaves behind are dropped where they stand.

    Raises Deadlock, Spinning, and what `main` raises.
    """
    loop = new_loop()
    # A task that is dropped is no news: whoever was killed leaves some.
    loop.set_exception_handler(lambda *_: None)
    try:
        return loop.run_until_complete(main)
    finally:
        _drop(loop)
        loop.close()


def _drop(loop: VirtualLoop) -> None:
    """End what still runs: again and again, since who is cancelled may wait for something else."""
    loop.wake_all()
    for _ in range(_ENDING):
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        if not left:
            return
        for task in sorted(left, key=hash):
            task.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
