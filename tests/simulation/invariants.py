"""What must hold at every moment of a deployment, whatever breaks. The first violation ends a run.

Some things are not the engine's to prevent: what breaks by itself, and what it cannot have known yet.
A server is then `excused` for as long as a request may come to it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from rollout.adapters.haproxy.replies import SEVERITY
from rollout.domain import TWIN, Note, Outcome, Step
from rollout.events import (
    CommandSent,
    DeploymentFinished,
    DeploymentResumed,
    DeploymentStarted,
    Record,
    StepStarted,
)
from tests.simulation import gaps
from tests.simulation.client import Client
from tests.simulation.haproxy import SimHAProxy
from tests.simulation.loop import world_time
from tests.simulation.node import SimNode
from tests.simulation.process import FORCED_DRAIN, FORCED_MAINT, STOPPED, SimServer
from tests.simulation.rules import Rules
from tests.simulation.turns import Turn, Turns

REACTION = 0.5
"""Seconds in which the engine cannot have seen and acted on what happened by itself."""
_PROOF_HOLDS = REACTION if gaps.PROOF_IS_FRESH else 2.0
"""Seconds in which a node that proved itself may have died unseen."""
_HISTORY = 150


class Invariants:
    """Told of everything that happens; `broken` gets the first violation."""

    def __init__(self, nodes: Mapping[str, SimNode], rules: Rules) -> None:
        self._loop = asyncio.get_running_loop()
        self._nodes = nodes
        self._rules = rules
        self.fence: Callable[[Client, SimNode], str] = lambda client, node: ""
        """Why a process may not touch a node now; empty if it may, as where it is the only one."""
        self._out: list[str] = []
        self._taken_up: list[str] = []
        """The nodes that an earlier process had left out when the deployment was resumed."""
        self._history: deque[tuple[float, object]] = deque(maxlen=_HISTORY)
        self.balancers: Mapping[str, SimHAProxy] = {}
        self.turns = Turns(nodes)
        self.on_disk = Turns(nodes)
        """As the journal has them on disk, where a killed process leaves them."""
        self.records: list[Record] = []
        self.out_before: frozenset[str] = frozenset()
        """Nodes that someone had taken out when it began."""
        self.operated: dict[str, None] = {}
        """Nodes that an operator changed meanwhile."""
        self.violations: list[str] = []
        self.broken: asyncio.Future[None] = self._loop.create_future()
        self.excused_losses = 0
        self.unserved_requests = 0

    def note(self, text: str) -> None:
        self._history.append((world_time(), text))

    def violate(self, text: str) -> None:
        self.violations.append(f"at {world_time():.3f}: {text}")
        self.note(f"VIOLATION: {text}")
        if not self.broken.done():
            self.broken.set_result(None)

    def history(self) -> str:
        return "\n".join(f"  {time:9.3f}  {text}" for time, text in self._history)

    # The journal

    def recorded(self, record: Record) -> None:
        self.records.append(record)
        event = record.event
        self._history.append((record.time, event))
        match event:
            case DeploymentStarted() if record.deployment > 1:
                self.turns.another_begins()
                self._out = self._taken_up = self._now_out()
            case DeploymentStarted():
                self._note_who_is_out()
            case DeploymentResumed():
                if not any(isinstance(each.event, DeploymentStarted) for each in self.records):
                    self._note_who_is_out()  # its start came to the place, and its deployer never knew
                self._out = self._taken_up = self._now_out()
            case StepStarted(node=name, step=step) if step is not Step.PREPARE and name in self.out_before:
                self.violate(f"{name} was out before, and is rolled")
            case CommandSent(node=name, step=Step.DRAIN) if self.turns[name].leaving:
                self._require_well(f"{name} leaves", but=name)
            case DeploymentFinished(outcome=Outcome.DONE):
                self._require_well("the deployment is done")
        self.turns.recorded(record)

    def _note_who_is_out(self) -> None:
        """Note which nodes are out before anything is done."""
        self.out_before = frozenset(
            name for name, node in self._nodes.items() if self._taken_out(node) and name not in self.operated
        )

    def written(self, record: Record) -> None:
        """A record has come to the disk."""
        self.on_disk.recorded(record)

    # Load balancers

    def asked(self, balancer: SimHAProxy, line: str, client: Client) -> None:
        """The engine is about to send a line that changes something; questions may follow its commands."""
        sent = line.strip().removeprefix(f"{SEVERITY};").split(";")
        commands = [command for command in sent if not command.startswith("show ")]
        self.note(f"{balancer.name} ← {'; '.join(commands)}")
        for node in dict.fromkeys(balancer.process.servers[path].node for path in _paths(commands)):
            self._require_lock(node, client, "; ".join(commands))
        if client.by_hand:
            return
        if not self.turns.tells_of(balancer.name, "; ".join(commands)):
            self.violate(f"sent to {balancer.name} with no word in the journal: {commands}")
        for command in commands:
            (path,) = _paths([command])
            server = balancer.process.servers[path]
            turn = self.turns[server.node.name]
            if not self.on_disk[server.node.name].begun:
                self.violate(f"{command} on {balancer.name}, and no step is on disk")
            if gaps.OPERATORS_HONOURED and 0 <= server.operated < world_time() - REACTION:
                self.violate(f"{command} on {balancer.name} overwrites what an operator set")
            removes = command.startswith("del server ")
            held_again = turn.ended == "left out" and (command.endswith(" state maint") or removes)
            if not turn.begun or (turn.ended and not held_again):
                self.violate(f"{command} on {balancer.name}, but no step of {server.node.name} was begun")

    def has_run(self, balancer: SimHAProxy) -> None:
        """A line of the engine's has changed something."""
        self._count_out()

    def server_changed(self, balancer: SimHAProxy, server: SimServer, cause: str) -> None:
        node, now = server.node, world_time()
        if server.takes_new != server.was_taking:
            if not server.takes_new and cause != "operator" and self.turns[node.name].out:
                self._require_ready(balancer, server)
            server.was_taking = server.takes_new
            server.since = now
        if not server.exposed:
            server.excused = ""
        elif not node.serving and not server.excused:
            if cause != "engine":
                self._excuse(balancer, server, cause)
            elif node.crashed and node.down_since >= balancer.asked_at - _PROOF_HOLDS:
                server.excused = "it crashed a moment ago"
            elif node.crashed and self.turns[node.name].step is Step.DRAIN and not gaps.GIVING_BACK_PROVES:
                server.excused = "it crashed while it was held"
            else:
                self.violate(f"{_name(balancer, server)} takes requests, but {node.name} is not up")

    def twin_changed(self, balancer: SimHAProxy, twin: SimServer) -> None:
        """A twin gets no request, whatever is done to it."""
        if twin.exposed:
            self.violate(f"{_name(balancer, twin)} takes requests")

    def sessions_ended(self, balancer: SimHAProxy, server: SimServer, sessions: int) -> None:
        if sessions and not self._rules.closes:
            self.violate(f"{sessions} sessions ended on {_name(balancer, server)}, though nobody allowed it")

    def marked_down(self, balancer: SimHAProxy, server: SimServer, sessions: int) -> None:
        """`on-marked-down shutdown-sessions` ended what ran on it."""
        leaves = self.turns[server.node.name].step is Step.DRAIN and server.node.name not in self._taken_up
        if not leaves and not gaps.HOLDING_SPARES_REQUESTS:
            return
        if sessions and balancer.cause == "engine" and server.node.serving and not self._rules.closes:
            self.violate(f"{sessions} requests were cut when {_name(balancer, server)} was marked down")

    # Nodes

    def ran(self, node: SimNode, line: str, client: Client) -> None:
        """The engine is about to run a line that changes something."""
        self.note(f"{node.name} ← {line}")
        self._require_lock(node, client, line)
        if client.by_hand:
            return
        turn = self.turns[node.name]
        if not self.on_disk.tells_of(node.name, line):
            self.violate(f"run on {node.name} with no word in the journal: {line}")
        if turn.step is None and (not turn.begun or turn.ended):
            self.violate(f"run on {node.name} with no step of it begun: {line}")
        self._count_out()

    def began(self, node: SimNode, beside: Sequence[Note]) -> None:
        """A command that may take a while has begun on it, beside those that still run."""
        if beside:
            self.violate(f"a command begins on {node.name} while the {beside[0].step} of an earlier one runs")

    def node_changed(self, node: SimNode, why: str, asked: float) -> None:
        self.note(f"{node.name} {why}")
        for balancer, server in self._servers(node):
            if node.serving:
                server.excused = ""
            elif server.exposed and not server.excused:
                if why != "restarted":
                    server.excused = "it crashed"
                elif max(server.process.born, server.operated) >= asked - REACTION:
                    server.excused = "changed a moment before the restart"
                elif node.came_back >= asked - REACTION:
                    server.excused = "it came back by itself before a restart whose answer was lost was done"
                elif not self._rules.listed and server.process.born >= self.turns[node.name].left_at:
                    server.excused = "a reload that nobody could see"
                else:
                    self.violate(f"{node.name} is restarted while {_name(balancer, server)} sends to it")

    # Traffic

    def lost(self, server: SimServer, why: str) -> None:
        old = not any(server.process is balancer.process for balancer in self.balancers.values())
        if server.excused or (old and not gaps.OLD_PROCESSES_SEEN):
            self.excused_losses += 1
        else:
            self.violate(f"lost: {server.path} on {server.node.name}: {why}")

    def unserved(self, balancer: SimHAProxy, backend: str) -> None:
        """Judged when the last server left."""
        self.unserved_requests += 1

    def _require_lock(self, node: SimNode, client: Client, what: str) -> None:
        if why := self.fence(client, node):
            self.violate(f"{what}: {why}")

    def _servers(self, node: SimNode) -> list[tuple[SimHAProxy, SimServer]]:
        return [
            (balancer, server)
            for balancer in self.balancers.values()
            if balancer.serving
            for server in balancer.process.servers.values()
            if server.node is node
        ]

    def _excuse(self, balancer: SimHAProxy, server: SimServer, cause: str) -> None:
        server.excused = cause
        if cause == "reload" and math.isfinite(gaps.RELOAD_NOTICED):
            self._loop.call_later(gaps.RELOAD_NOTICED, self._must_be_put_right, balancer, server)

    def _must_be_put_right(self, balancer: SimHAProxy, server: SimServer) -> None:
        if server.excused == "reload" and server.process is balancer.process and server.exposed:
            self.violate(f"{balancer.name} was reloaded, and {server.path} still takes requests")

    def _count_out(self) -> None:
        """Never more out than the window; one that failed and was left out does not stop the others."""
        before, out = self._out, self._now_out()
        self._out = out
        staying = ("left out",) if gaps.THOSE_NOT_LEFT_OUT_ARE_IN else ("left out", "returned")
        left = sum(self.turns[name].ended in staying for name in out)
        if set(out).difference(before) and len(out) > max(self._rules.window, left + 1):
            self.violate(f"{len(out)} nodes are out ({', '.join(out)}), the window is {self._rules.window}")

    def _now_out(self) -> list[str]:
        return [name for name, node in self._nodes.items() if self._is_out(node)]

    def _is_out(self, node: SimNode) -> bool:
        if node.name in self.out_before or node.name in self.operated:
            return False
        return bool(node.files) or any(
            server.admin & (FORCED_DRAIN | FORCED_MAINT) for _, server in self._servers(node)
        )

    def _by_engine(self, turn: Turn) -> bool:
        """The engine took it out, and knows it."""
        return turn.out and (turn.ended == "" or gaps.LEFT_OUT_ARE_OUT)

    def _taken_out(self, node: SimNode) -> bool:
        return any(server.admin or not server.weight for _, server in self._servers(node))

    def _require_ready(self, balancer: SimHAProxy, server: SimServer) -> None:
        """Enough others must serve its backend; one that failed when the engine could not see it counts.

        A server that came up by itself when the engine could not see it took nothing when it was let leave.
        """
        looked = self.turns[server.node.name].left_at - REACTION
        if not self._rules.listed or server.since >= looked:
            return
        ready = [
            peer
            for peer in balancer.process.backends[server.backend.name]
            if peer.takes_new or (peer.since >= looked and self._by_itself(peer))
        ]
        if len(ready) < self._rules.least:
            self.violate(
                f"{_name(balancer, server)} left, and only {len(ready)} servers of its backend serve"
            )

    def _require_well(self, what: str, but: str = "") -> None:
        """No node that was put back has gone down since, unless that came too late to be seen, or is told."""
        before = world_time() - REACTION
        for name, node in self._nodes.items():
            if name == but or not self.turns[name].is_back or name in self.operated:
                continue
            for balancer, server in self._servers(node):
                seen = balancer.answers and max(balancer.answers_since, server.since) < before
                went_down = server.state == STOPPED and server.since >= self.turns[name].back_at - REACTION
                if self._rules.listed and seen and went_down and not server.admin:
                    self.violate(f"{what}, and {_name(balancer, server)}, which was put back, is down")

    def _by_itself(self, server: SimServer) -> bool:
        """That it serves or not is no doing of the engine's that it knows of."""
        return not self._by_engine(self.turns[server.node.name]) and server.node.name not in self.out_before


def _paths(commands: Sequence[str]) -> list[str]:
    """The servers that commands are about, as `backend/server`: that of a twin is its original."""
    paths = (next(word for word in command.split() if "/" in word) for command in commands)
    return [path.replace(f"/{TWIN}", "/") for path in paths]


def _name(balancer: SimHAProxy, server: SimServer) -> str:
    return f"{server.path} on {balancer.name}"
