"""The aftercare of nodes that were put back: a watch over all of them, and bakes that hold up no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rollout.deadline import Deadline
from rollout.domain import Step
from rollout.engine.halt import Halt
from rollout.engine.log import Recorder, failed
from rollout.engine.site import Site
from rollout.engine.users.put_back import PutBack
from rollout.errors import RolloutError
from rollout.events import Warned

_PACE = 1.0
"""Seconds between two judgements by what the load balancers show, which are read so often anyway…"""
_PAGES_PACE = 5.0
"""…and by the health pages, where no load balancer is listed: each node is asked."""
_LOOK_AGAIN = 0.1
"""Seconds between two looks at the end."""


class Aftercare:
    """The aftercare of one deployment. `fail` is called with each node that went out of rotation again once
    it was done."""

    def __init__(
        self,
        site: Site,
        put_back: PutBack,
        halt: Halt,
        record: Recorder,
        fail: Callable[[str, RolloutError], None],
    ) -> None:
        self._site = site
        self._halt = halt
        self._put_back = put_back
        self._record = record
        self._fail = fail
        self._baking: set[asyncio.Task[None]] = set()
        self._following: set[asyncio.Task[None]] = set()
        self._failed = ""
        """Which node that was back failed last, and why."""

    @property
    def has_something_to_see(self) -> bool:
        """Whether anything shows if a node stays well."""
        return bool(self._site.load_balancers) or self._site.inventory.health is not None

    def bake(self, bake: Coroutine[Any, Any, None]) -> None:
        """Bake a node while other nodes are rolled."""
        self._baking.add(asyncio.create_task(bake))

    def follow(self, watch: Coroutine[Any, Any, None]) -> None:
        """Watch a node for as long as others are rolled, and no longer."""
        self._following.add(asyncio.create_task(watch))

    @asynccontextmanager
    async def baking(self) -> AsyncIterator[None]:
        """A context at whose end all bakes are over; an error ends them."""
        try:
            yield
            await asyncio.gather(*self._baking)
        finally:
            tasks = [*self._baking, *self._following]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._baking.clear()
            self._following.clear()

    def note_failure(self, name: str, error: BaseException) -> None:
        """Watch a node no longer, since it failed: if it was back, no node leaves once that halted all."""
        if self._put_back.has(name):
            self._failed = f"{name} did not stay well: {error}"
            self._put_back.discard(name)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """A context in which all nodes that are back are watched."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def look(self) -> str:
        """Look at all nodes that are back now. Returns why no other node may leave; empty if it may."""
        doubt = await self._doubt()
        return doubt or (self._failed if self._halt.reason else "")

    async def look_at_the_end(self) -> None:
        """Look at all nodes once more: the deployment is done only if they are in rotation.

        A load balancer that does not answer, and a check that failed but not yet often enough, are waited for
        with `strategy.patience`.
        """
        deadline = Deadline(self._site.inventory.strategy.patience)
        while doubt := await self._doubt(now=True) or self._put_back.unseen:
            if deadline.passed:
                self._record(Warned(f"at the end, {doubt}"))
                return
            await asyncio.sleep(_LOOK_AGAIN)

    async def _doubt(self, *, now: bool = False) -> str:
        """Why a node that is back may not be well, after a look at all of them."""
        await self._put_back.look(now=now)
        doubt = self._put_back.in_doubt
        self._tell_of_falls()
        return doubt

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PACE if self._site.load_balancers else _PAGES_PACE)
            await self._put_back.judge()
            self._tell_of_falls()

    def _tell_of_falls(self) -> None:
        """Fail the nodes that are out of rotation again. One that bakes fails by its bake."""
        for name in self._put_back.fallen:
            if error := self._put_back.failure(name):
                self._record(failed(name, Step.BAKE, self._put_back.seconds(name), error))
                self._fail(name, error)
