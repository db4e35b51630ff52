"""What users get while a deployment runs: watched, judged by, and told at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from rollout.decisions.plan import Plan
from rollout.engine.log import Recorder
from rollout.engine.site import Site
from rollout.engine.users.jury import Jury
from rollout.engine.users.probing import Probing
from rollout.engine.users.watch import Watch
from rollout.events import Served
from rollout.inventory.judge import Judge


class Users:
    """`halt` is told when the probe of the public address fails too often."""

    def __init__(
        self,
        site: Site,
        plan: Plan,
        previous: Mapping[str, str],
        record: Recorder,
        halt: Callable[[str], None],
    ) -> None:
        self._record = record
        self.watch = Watch(site.load_balancers.values())
        self.jury = Jury(_judge(site, plan), plan, previous, self.watch)
        probe = site.inventory.probe
        self._probing = Probing(probe, site.public, halt) if probe else None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        await self.watch.look()
        tasks = [asyncio.create_task(self.watch.run())]
        if self._probing is not None:
            tasks.append(asyncio.create_task(self._probing.run()))
        try:
            yield
            await self.watch.look()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for release, seen in self.jury.users().items():
                self._record(Served(release, seen.asked, seen.failed))
            if self._probing is not None:
                self._record(self._probing.seen())


def _judge(site: Site, plan: Plan) -> Judge | None:
    """How nodes that bake are judged; `None` where they are not. What a rollback puts back is known."""
    strategy = site.inventory.strategy
    if isinstance(strategy.judge, Judge) and strategy.bake > 0 and site.load_balancers and not plan.back:
        return strategy.judge
    return None
