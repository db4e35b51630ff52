"""The preparation of nodes: the release is sent to them and `prepare` is run, while they serve."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from rollout.domain import Step
from rollout.engine.deployment_context import DeploymentContext
from rollout.engine.halt import Halt
from rollout.engine.log import StepLog, step
from rollout.engine.steps.release import release_plan, send
from rollout.engine.waiting import run_all
from rollout.errors import RolloutError
from rollout.events import NodeFailed
from rollout.inventory.model import PARALLEL


class Preparation:
    """The preparation of all nodes of a deployment, several at a time. The first failure halts it."""

    def __init__(
        self, deployment: DeploymentContext, settled: Mapping[str, Collection[Step]], halt: Halt
    ) -> None:
        """`settled` are the steps that an earlier try finished, by the node's name."""
        self._deployment = deployment
        self._halt = halt
        self._prepare = deployment.site.inventory.prepare
        self._releases = {name: release_plan(context) for name, context in deployment.nodes.items()}
        self._unprepared = [name for name in deployment.nodes if Step.PREPARE not in settled.get(name, ())]
        self._places = asyncio.Semaphore(self._prepare.parallel if self._prepare else PARALLEL)

    async def run(self) -> list[str]:
        """Prepare the nodes that are not prepared yet. Returns those that could not be prepared."""
        if not self._is_needed():
            return []
        prepared = await run_all(self._is_prepared(name) for name in self._unprepared)
        return [name for name, done in zip(self._unprepared, prepared, strict=True) if not done]

    def _is_needed(self) -> bool:
        """Whether anything is done in this step; in a rolling restart nothing is."""
        sends = any(plan is not None and plan.upload is not None for plan in self._releases.values())
        return self._deployment.plan.release is not None and (self._prepare is not None or sends)

    async def _is_prepared(self, name: str) -> bool:
        """Prepare a node when there is a place for it. False if that failed."""
        record = self._deployment.record
        async with self._places:
            if self._halt.reason:
                return True  # the deployment ends here, and not because of this node
            try:
                async with step(record, name, Step.PREPARE) as log:
                    await self._prepare_node(name, log)
            except (RolloutError, asyncio.CancelledError) as error:
                record(NodeFailed(name, left_out=name in self._deployment.plan.taken_up))
                if isinstance(error, asyncio.CancelledError):
                    raise
                self._halt.give_up(f"prepare failed on {name}; no node was touched")
                return False
        return True

    async def _prepare_node(self, name: str, log: StepLog) -> None:
        context, plan = self._deployment.nodes[name], self._releases[name]
        sources, back = self._deployment.site.sources, self._deployment.plan.back
        if plan is not None and plan.upload is not None:
            await send(context, plan.upload, plan.timeout, sources, log, back=back)
        if self._prepare is not None:
            await context.run(self._prepare.command, timeout=self._prepare.timeout, log=log)
