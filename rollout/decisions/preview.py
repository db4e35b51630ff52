"""The lines of `rollout plan`: every command that a deployment will send for a node, in the engine's order.

The engine sends what it finds necessary at each moment (`engine/rotation/`, `engine/steps/`). This file tells
the same story in advance, for a deployment that nothing disturbs; `tests/engine/test_planned_and_sent.py`
compares it with the commands of real deployments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from types import MappingProxyType

from rollout.domain import Server, ServerBefore, Standing, Step
from rollout.inventory.drain import HealthPage
from rollout.inventory.model import Inventory
from rollout.inventory.template import fill
from rollout.release import plan_release
from rollout.remote import drain_file, runtime
from rollout.restart import plan_restarts


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """A command that will be sent to `target`, the name of a load balancer or of a node."""

    step: Step
    target: str
    text: str


def upload_line(inventory: Inventory, release: str | None, node: str) -> str | None:
    """The upload to `node` before anything is drained, with source and target. `None` if nothing is
    uploaded."""
    if release is None:
        return None
    plan = plan_release(inventory, release, partial(_fill, inventory, node, release))
    return None if plan is None or plan.upload is None else plan.upload.shown


def node_lines(
    inventory: Inventory,
    release: str | None,
    node: str,
    servers: Sequence[Server],
    checked: Collection[Server],
    before: Mapping[Server, ServerBefore],
    twins: Mapping[Server, Sequence[str]] = MappingProxyType({}),
) -> tuple[PlannedLine, ...]:
    """Every line that rolling `node` sends, in order, from `drain` to `ready`.

    `servers` are all servers of the node, `checked` those that HAProxy checks. `before` says how servers are
    now: one that somebody keeps out is left as it is. `twins` are the commands that add the twins of servers.
    """
    filled = partial(_fill, inventory, node, release)
    health_page = inventory.drain.health_page
    if health_page is None:
        by_socket = _BySocket(servers, checked, before, {} if inventory.warmup else twins)
        out, back = by_socket.out(), by_socket.back()
    else:
        out, back = _by_page(health_page, node, filled)
    return (*out, *_work(inventory, release, node, filled), *back)


def _work(
    inventory: Inventory, release: str | None, node: str, filled: Callable[[str], str]
) -> Iterator[PlannedLine]:
    """The lines on the node itself, while it is out of rotation."""
    if release is not None and (plan := plan_release(inventory, release, filled)) is not None:
        yield PlannedLine(Step.RELEASE, node, plan.shown or plan.command)
    for restart in plan_restarts(inventory, filled):
        if restart.ask is not None:
            yield PlannedLine(Step.RESTART, node, f"{restart.ask.method} {restart.ask.url}")
        if restart.command is not None:
            yield PlannedLine(Step.RESTART, node, restart.shown or restart.command)
    if inventory.health is not None:
        yield PlannedLine(Step.VERIFY, node, f"GET {filled(inventory.health.http)}")


def _by_page(
    page: HealthPage, node: str, filled: Callable[[str], str]
) -> tuple[list[PlannedLine], list[PlannedLine]]:
    """The lines that tell the node's health page to take it out of rotation, and to bring it back."""
    if page.file is not None:
        file = filled(page.file)
        down, up = drain_file.create(file), drain_file.remove(file)
    elif page.request is not None:
        down, up = (f"{one.method} {filled(one.url)}" for one in (page.request.down, page.request.up))
    else:
        return [], []
    return [PlannedLine(Step.DRAIN, node, down)], [PlannedLine(Step.READY, node, up)]


class _BySocket:
    """The runtime commands for one node, a line for all its servers on a load balancer."""

    def __init__(
        self,
        servers: Sequence[Server],
        checked: Collection[Server],
        before: Mapping[Server, ServerBefore],
        twins: Mapping[Server, Sequence[str]],
    ) -> None:
        self._checked = frozenset(servers).intersection(checked)
        self._twins = twins
        self._before = before
        known = [server for server in servers if server in before]
        self._agents = frozenset(server for server in known if before[server].agent)
        self._down = frozenset(server for server in known if before[server].standing is Standing.DOWN)
        self._staying = self._of(servers, lambda noted: noted.stays_in_maintenance, unknown=False)
        self._leaving = self._of(servers, lambda noted: not noted.stays_in_maintenance, unknown=True)
        self._returning = self._of(servers, lambda noted: noted.returns, unknown=True)

    def out(self) -> list[PlannedLine]:
        leave = {name: runtime.leave(own, self._agents) for name, own in self._leaving.items()}
        keep_out = {name: runtime.maintenance(own) for name, own in self._leaving.items()}
        disable = self._to_agents(runtime.disable_agent, but=frozenset(chain(*self._leaving.values())))
        return [*_to_balancers(Step.DRAIN, _joined(disable, leave)), *_to_balancers(Step.DRAIN, keep_out)]

    def back(self) -> list[PlannedLine]:
        lines = _to_balancers(
            Step.VERIFY, {name: runtime.maintenance(own) for name, own in self._staying.items()}
        )
        lines += _to_balancers(
            Step.VERIFY,
            {
                name: [
                    *runtime.check(own, self._checked),
                    *chain(*(self._twins[s] for s in self._having(own))),
                ]
                for name, own in self._leaving.items()
            },
        )
        first, *others = [*self._weights()] or [[]]
        lines += first
        by_agent = self._agents & self._down
        # A warm-up sets weights, which an agent would change: the others are enabled after it.
        agents = by_agent if others else self._agents
        enter = {
            name: runtime.enter(own, self._checked - self._down, agents, by_agent)
            for name, own in self._returning.items()
        }
        entering = by_agent if others else frozenset(chain(*self._returning.values()))
        enable = self._to_agents(runtime.enable_agent, but=entering)
        remove = {
            name: [line for server in self._having(own) for line in runtime.remove_twin(server.twin)]
            for name, own in self._leaving.items()
        }
        if others:
            return [
                *lines,
                *_to_balancers(Step.READY, enter),
                *chain(*others),
                *_to_balancers(Step.READY, enable),
            ]
        return [*lines, *_to_balancers(Step.READY, _joined(_joined(enter, enable), remove))]

    def _having(self, servers: Sequence[Server]) -> list[Server]:
        """The servers whose own check must pass, and that get a twin for it; only so many at first."""
        known = [server for server in servers if server in self._twins]
        proven = [
            server
            for server in known
            if server not in self._before
            or (not self._before[server].kept_out and self._before[server].standing is Standing.UP)
        ]
        return proven[: runtime.MOST_TWINS]

    def _to_agents(
        self, command: Callable[[Server], str], *, but: Collection[Server]
    ) -> dict[str, list[str]]:
        """A command for each agent, `but` for those of some servers, by load balancer."""
        left = sorted(server for server in self._agents if server not in but)
        return {name: [*map(command, own)] for name, own in groupby(left, key=lambda s: s.load_balancer)}

    def _of(
        self, servers: Sequence[Server], wanted: Callable[[ServerBefore], bool], *, unknown: bool
    ) -> dict[str, list[Server]]:
        """The servers that are `wanted`, by load balancer; `unknown` stands for those that nobody noted."""
        chosen: dict[str, list[Server]] = {}
        for server in servers:
            if wanted(self._before[server]) if server in self._before else unknown:
                chosen.setdefault(server.load_balancer, []).append(server)
        return chosen

    def _weights(self) -> Iterator[list[PlannedLine]]:
        """The weights of each step of a warm-up; the first one is set before the servers are ready."""
        climbs = {
            server: self._before[server].climb
            for own in self._returning.values()
            for server in sorted(own)
            if server in self._before and self._before[server].climb
        }
        for step in range(max(map(len, climbs.values()), default=0)):
            due = [
                (server, climb[step])
                for server, climb in climbs.items()
                if step < len(climb) and (step == 0 or climb[step] != climb[step - 1])
            ]
            yield [
                PlannedLine(
                    Step.READY, target, "; ".join(runtime.weight(server, value) for server, value in own)
                )
                for target, own in groupby(due, key=lambda one: one[0].load_balancer)
            ]


def _joined(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: [*first.get(name, ()), *second.get(name, ())] for name in {**first, **second}}


def _to_balancers(step: Step, commands: Mapping[str, list[str]]) -> list[PlannedLine]:
    return [PlannedLine(step, name, "; ".join(texts)) for name, texts in commands.items() if texts]


def _fill(inventory: Inventory, node: str, release: str | None, text: str) -> str:
    return fill(text, host=inventory.nodes[node].host, node=node, release=release)
