"""A loop on which several processes run, each of which can sleep: stopped by SIGSTOP, or with its machine.

Nothing that a process does goes on while it sleeps, and its clock stands still, as that of the verbs' own
loop does. The world goes on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.simulation.loop import Call, SimTask, VirtualLoop

T = TypeVar("T")

_WORLD = "tests.simulation."
"""Whose timers are the world's, whoever sets them: sleeps of a process stop none of them."""


@dataclass(eq=False)
class Sleeper:
    """The sleep of one process."""

    asleep: bool = False
    sleeps: int = 0
    slept: float = 0.0
    """Seconds, in all."""
    held: list[_Owned] = field(default_factory=list)
    """What is to be called once it wakes."""


class _Owned(Call):
    """What a process is to do; a timer is to fire `when`, as it was before the process slept any further."""

    __slots__ = ("does", "owner", "slept", "when", "with_")

    def __init__(
        self, loop: SleepyLoop, owner: Sleeper | None, does: Callable[..., object], with_: tuple[Any, ...]
    ) -> None:
        super().__init__(loop.carry_out, (self,))
        self.owner = owner
        self.does = does
        self.with_ = with_
        self.when = -1.0
        self.slept = 0.0 if owner is None else owner.slept


class SleepyLoop(VirtualLoop):
    """`owner`, which is a `Sleeper`, is at work at the moment; `None` is the world."""

    def __init__(self) -> None:
        super().__init__()
        self._asleep: list[Sleeper] = []

    def time(self) -> float:
        return self._now if self.owner is None else self._now - float(self.owner.slept)

    @property
    def sleeps(self) -> int:
        """How many times the process at work has slept."""
        return 0 if self.owner is None else int(self.owner.sleeps)

    @property
    def slept(self) -> float:
        """For how many seconds."""
        return 0.0 if self.owner is None else float(self.owner.slept)

    def start(self, owner: object, main: Coroutine[Any, Any, T]) -> Any:
        before = self.owner
        try:
            return super().start(owner, main)
        finally:
            self.owner = before

    def fall_asleep(self, sleeper: Sleeper, seconds: float) -> None:
        """The process sleeps from now on, for so long."""
        sleeper.asleep = True
        self._asleep.append(sleeper)

        def wake() -> None:
            sleeper.sleeps += 1
            sleeper.slept += seconds
            self._wake(sleeper)

        self.call_later(seconds, wake)

    def wake_all(self) -> None:
        while self._asleep:
            self._wake(self._asleep[0])

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        call = _Owned(self, self._owner_of(callback), callback, arguments)
        self._soon.append(call)
        return call

    def call_later(self, delay: float, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self._call_at(self._now + delay, callback, arguments)

    def call_at(self, when: float, callback: Any, *arguments: Any, context: Any = None) -> Any:  # type: ignore[override]
        owner = self._owner_of(callback)
        return self._call_at(when if owner is None else when + owner.slept, callback, arguments)

    def carry_out(self, call: _Owned) -> None:
        """Do it, unless its process sleeps, or has slept since the timer was set."""
        owner = call.owner
        if owner is not None:
            if owner.asleep:
                owner.held.append(call)
                return
            if call.when >= 0 and call.slept < owner.slept:
                call.when, call.slept = call.when + owner.slept - call.slept, owner.slept
                self._push(call)
                return
        self.owner = owner
        call.does(*call.with_)
        self.owner = None

    def _wake(self, sleeper: Sleeper) -> None:
        self._asleep.remove(sleeper)
        sleeper.asleep = False
        held, sleeper.held = sleeper.held, []
        self._soon.extend(held)

    def _call_at(self, when: float, callback: Any, arguments: tuple[Any, ...]) -> Call:
        call = _Owned(self, self._owner_of(callback), callback, arguments)
        call.when = when
        self._push(call)
        return call

    def _push(self, call: _Owned) -> None:
        self._made += 1
        heapq.heappush(self._timers, (call.when, self._made, call))

    def _owner_of(self, callback: Any) -> Sleeper | None:
        task = getattr(callback, "__self__", None)
        if isinstance(task, SimTask):
            return task.owner if isinstance(task.owner, Sleeper) else None
        if (getattr(callback, "__module__", None) or "").startswith(_WORLD):
            return None
        return self.owner  # type: ignore[no-any-return]
