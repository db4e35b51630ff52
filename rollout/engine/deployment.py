"""A deployment: prepare everywhere, then the canary, then the others through a sliding window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from rollout.domain import Outcome, Step
from rollout.engine.log import Recorder, StepLog, step
from rollout.engine.node import NodeRoll
from rollout.engine.site import Site
from rollout.engine.waiting import patiently, together
from rollout.errors import RolloutError, StepFailure
from rollout.events import DeploymentFinished, Halted, NodeFailed, NodeFinished
from rollout.plan import Plan, last_of_backend


class Deployment:
    """Carries out a plan. Everything that happens is told to `record`."""

    def __init__(
        self,
        site: Site,
        plan: Plan,
        number: int,
        previous: Mapping[str, str],
        record: Recorder,
        *,
        allow_outage: bool,
        settled: Mapping[str, Collection[Step]] | None = None,
    ) -> None:
        """`settled` are the steps of each node that were done before the deployment was interrupted."""
        self._site = site
        self._plan = plan
        self._record = record
        self._allow_outage = allow_outage
        self._settled = settled or {}
        self._contexts = {
            name: site.context(name, plan.release, deployment=number, previous=previous.get(name))
            for name in plan.nodes
        }
        self._leaving = asyncio.Lock()
        self._a_node_ended = asyncio.Event()
        self._on_their_way: set[str] = set()
        self._left_out: set[str] = set()
        self._failed: list[str] = []
        self._done: list[str] = []
        self._halted = ""
        self._guards: dict[str, asyncio.Task[None]] = {}
        """Keep those out that were left out, as long as this deployment goes on."""

    @property
    def halted(self) -> str:
        """Why no further node starts; empty while they do."""
        return self._halted

    def halt(self, reason: str) -> None:
        """No further node starts; those in flight finish."""
        if not self._halted:
            self._halted = reason
            self._record(Halted(reason))

    async def run(self) -> Outcome:
        clock = asyncio.get_running_loop().time
        begun = clock()
        canaries, others = self._plan.nodes[: self._plan.canary], self._plan.nodes[self._plan.canary :]
        try:
            if await self._prepare():
                await self._roll(canaries)
                if self._failed:
                    self.halt(f"the canary {', '.join(self._failed)} failed")
                await self._roll(others)
        except asyncio.CancelledError:
            self._record(DeploymentFinished(Outcome.INTERRUPTED, clock() - begun, "interrupted"))
            raise
        finally:
            for guard in self._guards.values():
                guard.cancel()
            await asyncio.gather(*self._guards.values(), return_exceptions=True)
        outcome = self._outcome()
        self._record(DeploymentFinished(outcome, clock() - begun, self._halted))
        return outcome

    def _outcome(self) -> Outcome:
        if self._failed:
            return Outcome.FAILED
        return Outcome.DONE if len(self._done) == len(self._plan.nodes) else Outcome.INTERRUPTED

    async def _prepare(self) -> bool:
        """Run `prepare` on all nodes while they serve. False if it failed on one: nothing was touched."""
        prepare = self._site.inventory.prepare
        if prepare is None or self._plan.release is None:
            return True
        places = asyncio.Semaphore(prepare.parallel)

        async def one(name: str) -> None:
            async with places:
                if self._halted:
                    return
                try:
                    async with step(self._record, name, Step.PREPARE) as log:
                        await self._contexts[name].run(prepare.command, timeout=prepare.timeout, log=log)
                except RolloutError:
                    self._failed.append(name)
                    self._record(NodeFailed(name, left_out=False))
                    self.halt(f"prepare failed on {name}; no node was touched")

        unprepared = [n for n in self._plan.nodes if Step.PREPARE not in self._settled.get(n, ())]
        await together(one(name) for name in unprepared)
        return not self._halted

    async def _roll(self, nodes: Sequence[str]) -> None:
        """Keep `window` nodes on their way until all are through or the deployment is halted."""
        waiting = list(nodes)
        flying: set[asyncio.Task[None]] = set()
        try:
            while flying or (waiting and not self._halted):
                while waiting and not self._halted and len(flying) < self._window():
                    flying.add(asyncio.create_task(self._one(waiting.pop(0))))
                for name in waiting[:1]:
                    self._contexts[name].host.expect(2)  # its release and its restart
                ended, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    def _window(self) -> int:
        """How many more nodes may be out; one that failed and stays out takes a place."""
        return max(1, self._plan.window - len(self._left_out))

    async def _one(self, name: str) -> None:
        clock = asyncio.get_running_loop().time
        begun = clock()
        context = self._contexts[name]
        rotation = self._site.rotation(context, self._plan.placement[name])
        node = NodeRoll(context, rotation, self._record, lambda: self._gate(name))
        try:
            await node.roll(self._settled.get(name, ()))
        except (RolloutError, asyncio.CancelledError) as error:
            self._failed.append(name)
            if node.out:
                self._left_out.add(name)
                log = StepLog(self._record, name, Step.READY)
                self._guards[name] = asyncio.create_task(rotation.guard(log))
            self._record(NodeFailed(name, left_out=node.out))
            if isinstance(error, asyncio.CancelledError):
                raise
            if len(self._failed) > self._site.inventory.strategy.max_failures:
                self.halt(f"{name} failed")
        else:
            self._done.append(name)
            self._record(NodeFinished(name, clock() - begun))
        finally:
            self._on_their_way.discard(name)
            self._a_node_ended.set()
            self._a_node_ended = asyncio.Event()

    @asynccontextmanager
    async def _gate(self, name: str) -> AsyncIterator[None]:
        """Let one node leave at a time, once the load balancers show that others carry its traffic.

        While nodes are on their way back it waits for them; when nobody is, it raises StepFailure.
        """
        async with self._leaving:
            while True:
                a_node_ended = self._a_node_ended
                problem = "" if self._allow_outage else await self._last(name)
                if not problem:
                    break
                if not self._on_their_way:
                    raise StepFailure(problem, hint="--allow-outage takes it out all the same")
                await a_node_ended.wait()
                if self._halted:
                    raise StepFailure("the deployment was halted before this node left")
            self._on_their_way.add(name)
            yield

    async def _last(self, name: str) -> str:
        """Which backend would be left without a server; empty if none would.

        Nodes on their way do not count: HAProxy may show one in rotation that has just begun to leave.
        """
        leaving = {server for other in self._on_their_way for server in self._plan.placement[other]}
        for balancer in self._site.load_balancers.values():
            reading = await patiently(balancer)
            staying = [state for state in reading.servers if state.server not in leaving]
            problem = last_of_backend(staying, self._plan.placement[name])
            if problem:
                return problem
        return ""
