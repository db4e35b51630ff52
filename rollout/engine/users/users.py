"""The users of a service during a deployment: their answers are watched, judged, and reported at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollout.decisions.plan import Plan
from rollout.engine.deployment_context import DeploymentContext
from rollout.engine.halt import Halt
from rollout.engine.site import Site
from rollout.engine.users.jury import RECENT, Jury
from rollout.engine.users.probing import Probing
from rollout.engine.users.put_back import PutBack
from rollout.engine.users.sampling import Sampling
from rollout.engine.users.tails import follow
from rollout.engine.users.watch import Watch
from rollout.inventory.judge import Judge


class Users:
    """The watch, the jury and the probe of one deployment. A probe that fails too often halts it."""

    def __init__(self, deployment: DeploymentContext, halt: Halt) -> None:
        site, plan = deployment.site, deployment.plan
        probe = site.inventory.probe
        self._record = deployment.record
        self._load_balancers = site.load_balancers.values()
        judge = _judge(site, plan)
        self._watch = Watch(self._load_balancers, None if judge else RECENT)
        self._probing = Probing(probe, site.public, halt.give_up) if probe else None
        self.jury = Jury(judge, plan, deployment.previous, self._watch)
        self.put_back = PutBack(site, plan, self._watch)
        self._sampling = Sampling(plan, self._watch, self.jury, self._probing, self._record)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch what users get, and record it at the end, however that comes about."""
        await self._watch.look()
        tasks = [asyncio.create_task(each.run()) for each in (self._watch, self._sampling)]
        if self.jury.sits:
            follow_all = [follow(each, self._watch.tails, self._record) for each in self._load_balancers]
            tasks += map(asyncio.create_task, follow_all)
        if self._probing is not None:
            tasks.append(asyncio.create_task(self._probing.run()))
        try:
            yield
            await self._watch.look()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._sampling.take()
            for event in self.jury.users_saw():
                self._record(event)
            if self._probing is not None:
                self._record(self._probing.seen())

    def begin_wave(self) -> None:
        """Judge the nodes of the next wave by what users get from now on."""
        self._watch.looks.forget()
        self.jury.begin_wave()


def _judge(site: Site, plan: Plan) -> Judge | None:
    """The settings by which nodes that bake are judged; `None` where they are not judged.

    A rollback is not judged: the release that it puts back has served before.
    """
    strategy = site.inventory.strategy
    bakes = strategy.bake_asked_for > 0 and not plan.back
    return strategy.judge if isinstance(strategy.judge, Judge) and bakes and site.load_balancers else None
