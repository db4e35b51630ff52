"""The shell lines that an inventory has run around a deployment and around each of its nodes."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable

from rollout.domain import Outcome, Step
from rollout.engine.context import NodeContext, environment, first_line
from rollout.engine.deployment_context import DeploymentContext
from rollout.engine.log import step, until_written
from rollout.errors import RolloutError, StepFailure
from rollout.events import HookEnded, HookPrinted, HookStarted, Warned
from rollout.inventory.hooks import Hook, NodeHook


class Hooks:
    """The hooks of one deployment."""

    def __init__(self, deployment: DeploymentContext, masked: Callable[[str], str]) -> None:
        """`masked` hides the values in a text that others must not see: a hook may send it anywhere."""
        self._site = deployment.site
        self._record = deployment.record
        self._masked = masked
        plan = deployment.plan
        releases = {deployment.previous.get(name) for name in plan.nodes}
        previous = releases.pop() if len(releases) == 1 else None
        self._environment = environment(self._site.inventory, None, plan.release, deployment.number, previous)
        self.refused = False
        """Whether `before_deploy` failed: then the deployment may not begin."""

    async def before_deploy(self) -> None:
        """Run `before_deploy`. Raises StepFailure if it fails: no node may be touched then."""
        try:
            await self._run("before_deploy")
        except StepFailure:
            self.refused = True
            raise

    async def before_node(self, context: NodeContext) -> None:
        """Run `before_node`. Raises StepFailure if it fails: the node may not be drained then."""
        try:
            await self._run("before_node", context)
        except StepFailure:
            async with step(self._record, context.name, Step.DRAIN):
                raise

    async def after_node(self, context: NodeContext) -> None:
        """Run `after_node`; a failure is only a warning."""
        await self._run_or_warn("after_node", context)

    async def after_deploy(self, outcome: Outcome, reason: str) -> None:
        """Run `on_failure` if the deployment failed, then `after_deploy` if `before_deploy` let it begin.

        `reason` says why the deployment was halted. A failure of a hook is only a warning.
        """
        ending = {"ROLLOUT_OUTCOME": outcome.value, "ROLLOUT_REASON": self._masked(reason)}
        self._environment = {**self._environment, **ending}
        if outcome is Outcome.FAILED:
            await self._run_or_warn("on_failure")
        if not self.refused:
            await self._run_or_warn("after_deploy")

    async def _run_or_warn(self, name: str, context: NodeContext | None = None) -> None:
        try:
            await self._run(name, context)
        except StepFailure as failure:
            self._record(Warned(str(failure), None if context is None else context.name))

    async def _run(self, name: str, context: NodeContext | None = None) -> None:
        """Run a hook, if the inventory has it. Raises StepFailure with the last lines that it printed."""
        hook = self._site.inventory.hooks.named(name)
        if hook is None:
            return
        node = None if context is None else context.name
        clock = asyncio.get_running_loop().time
        begun = clock()
        self._record(HookStarted(name, node, hook.on, hook.command))
        try:
            await self._run_line(
                name, hook, context, lambda text: self._record(HookPrinted(name, node, text))
            )
        except (StepFailure, asyncio.CancelledError) as error:
            self._record(HookEnded(name, node, clock() - begun, str(error) or "interrupted"))
            raise
        self._record(HookEnded(name, node, clock() - begun))

    async def _run_line(
        self, name: str, hook: Hook | NodeHook, context: NodeContext | None, output: Callable[[str], None]
    ) -> None:
        environment = self._environment if context is None else context.environment
        try:
            await until_written(self._record, "" if context is None else context.name)
            await self._site.permission.ask()
            if hook.on == "node" and context is not None:
                completed = await context.run_noted(
                    hook.command, f"hook {name}", timeout=hook.timeout, output=output
                )
            else:
                line = self._in_folder(hook.command)
                completed = await self._site.here.run(
                    line, environment=environment, timeout=hook.timeout, output=output
                )
        except RolloutError as error:
            raise StepFailure(f"{name} failed: {error}", hint=error.hint) from error
        if completed.status != 0:
            ended = f"`{first_line(hook.command)}` exited with {completed.status}"
            raise StepFailure(f"{name} failed: {ended}", tail=completed.tail)

    def _in_folder(self, line: str) -> str:
        """`line`, run in the folder of the inventory, so that its relative paths begin there."""
        folder = os.path.join(".", self._site.inventory.path.parent)  # so `cd` never searches CDPATH
        return f"cd {shlex.quote(folder)} || exit\n{line}"
