"""One simulated world: nodes, load balancers, traffic, operators, and `rollout` processes that come to it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from rollout.adapters.haproxy import HAProxy
from rollout.adapters.local import LocalHost
from rollout.adapters.sources import LocalSources
from rollout.cli.meeting import Meeting
from rollout.cli.notify import Outbox
from rollout.cli.wiring import OpenSite
from tests.simulation.client import Client, SimHost, SimProbe
from tests.simulation.deployers import Deployers, SimPlace
from tests.simulation.faults import Fault, Faults, Port, plan_faults, plan_faults_of_several
from tests.simulation.haproxy import SimHAProxy, SimTransport
from tests.simulation.invariants import Invariants
from tests.simulation.journal import Disk, SimJournal
from tests.simulation.longest import LONGEST_SLEEP
from tests.simulation.loop import VirtualLoop, world_time
from tests.simulation.machine import Machine
from tests.simulation.machine_of_balancer import SimBalancerHost
from tests.simulation.node import Release, SimNode
from tests.simulation.process import SimServer
from tests.simulation.rules import Rules
from tests.simulation.site import LONGEST, OLD, draw, draw_nodes
from tests.simulation.traffic import Traffic

_SHORT_LINES = 120
"""Bytes of a line that holds two commands: a node's servers get theirs one line after another."""

_LARGE = 0.5
"""The share of worlds that are treated as large ones."""

_SESSIONLESS = 0.3
"""The share of worlds in which connections are in use without a session."""

_AGE = 1000.0
"""Seconds for which its load balancers have run. While they are younger than a drain may take, rollout looks
at the connections of the node as well, and those say the same."""


class World:
    """Everything is drawn from `seed`; `faults` are those that strike while the engine is at work."""

    def __init__(
        self, seed: int, faults: Callable[[random.Random, int], Sequence[Fault]], *, several: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop = loop
        self.line_length = _SHORT_LINES if random.Random(f"{seed} lines").random() < 0.3 else None
        """Bytes of a line to a load balancer, where that is less than the adapter's own."""
        self.reached = random.Random(f"{seed} machines").random() < 0.6
        """Whether the load balancers' machines are reached, where HAProxy's configuration lies."""
        self.large = random.Random(f"{seed} large").random() < _LARGE
        """Whether servers are looked at alone, as if there were thousands of others."""
        rng = random.Random(f"{seed} world")
        self._rng = random.Random(f"{seed} happenings")
        self._client_rng = random.Random(f"{seed} client")
        names = draw_nodes(rng)
        planned = [*faults(random.Random(f"{seed} faults"), len(names))]
        if several and faults is plan_faults:
            planned += plan_faults_of_several(random.Random(f"{seed} place"), len(names))
        self.planned = tuple(planned)
        self.nodes = {
            name: SimNode(name, f"10.0.0.{number}", OLD, Release())
            for number, name in enumerate(names, start=1)
        }
        self.drawn = draw(rng, self.nodes, faulty=bool(planned))
        inventory = self.drawn.inventory
        self.inventory = inventory
        window = inventory.strategy.window
        share = max(1, int(len(names) * (window.percent or 0) / 100))
        rules = Rules(
            window=window.count or share,
            closes=inventory.drain.on_timeout == "close",
            listed=bool(inventory.load_balancers),
        )
        self.watch = Invariants(self.nodes, rules)
        self.disk = Disk(self.watch.written)
        self.several = Deployers(self.watch) if several else None
        """Where deployers of several machines meet; `None` where there is one, who meets nobody."""
        if self.several is not None:
            self.watch.fence = self.several.fence
        for name, node in self.nodes.items():
            node.watch = self.watch
            node.behaviour = self.drawn.behaviours[name]
        self.balancers = {
            name: SimHAProxy(name, backends, self.watch, random.Random(f"{seed} {name}"), self.drawn.latency)
            for name, backends in self.drawn.backends.items()
        }
        self.watch.balancers = self.balancers
        self.machines = {
            name: Machine(node, inventory, random.Random(f"{seed} {name}"))
            for name, node in self.nodes.items()
        }
        self.faults = Faults(planned, self._happen)
        self._clients = 0
        for name, word in self.drawn.out_before.items():
            for balancer in self.balancers.values():
                for server in self.servers(name, balancer):
                    balancer.execute(f"set server {server.path} {word}\n", "operator", 0.0)
        self.before = {
            (balancer.name, path): (server.admin, server.weight)
            for balancer in self.balancers.values()
            for path, server in balancer.process.servers.items()
        }
        luck = random.Random(f"{seed} sessions")
        sessionless = luck if luck.random() < _SESSIONLESS else None
        if sessionless is not None:
            for balancer in self.balancers.values():
                balancer.process.born -= _AGE
        self.traffic = [
            Traffic(
                balancer,
                self.watch,
                random.Random(f"{seed} traffic {name}"),
                self.drawn.rate,
                LONGEST,
                patient=bool(planned),
                sessionless=sessionless,
            )
            for name, balancer in self.balancers.items()
        ]

    def weight_before(self, balancer: SimHAProxy, server: SimServer) -> int:
        """The weight that a server had before anything happened; its own where it came later."""
        return self.before.get((balancer.name, server.path), (0, server.config.weight))[1]

    @property
    def client(self) -> Client:
        """The `rollout` process that is at work."""
        assert isinstance(self.loop.owner, Client)
        return self.loop.owner

    def servers(self, node: str, balancer: SimHAProxy) -> list[SimServer]:
        return [server for server in balancer.process.servers.values() if server.node.name == node]

    def new_client(self, *, by_hand: bool, home: str = "") -> Client:
        """A new `rollout` process comes."""
        self._clients += 1
        return Client(self.faults, self._client_rng, by_hand=by_hand, home=home)

    def journal(self) -> SimJournal:
        """As the process at work opens it."""
        return SimJournal(self.client, self.disk, self.watch.recorded)

    def site(self) -> OpenSite:
        """What the process at work has before it."""
        client, latency = self.client, self.drawn.latency
        probe = SimProbe({node.address: node for node in self.nodes.values()}, client, latency)

        async def meeting() -> Meeting:
            assert self.several is not None
            place = SimPlace(self.several, client, latency)
            return Meeting(place, Path(client.home), shared=True)

        return OpenSite(
            inventory=self.inventory,
            hosts={
                name: SimHost(node, self.machines[name], client, latency, self.watch.ran)
                for name, node in self.nodes.items()
            },
            load_balancers={
                name: HAProxy(name, SimTransport(self.balancers[name], client))
                for name in self.inventory.load_balancers
            },
            balancer_hosts={
                name: SimBalancerHost(self.balancers[name], client)
                for name in self.inventory.load_balancers
                if self.reached
            },
            http_clients=dict.fromkeys(self.nodes, probe),
            sources=LocalSources(),
            here=LocalHost("this machine"),
            public=probe,
            identity="shop",
            sender=f"process {self._clients}",
            outbox=Outbox(),
            meeting=meeting,
        )

    def _happen(self, what: str, port: Port, target: str) -> None:
        """An event of the world. What the engine is just asking is more likely to be hit than others."""
        self.watch.note(f"--- {what}")
        rng = self._rng
        balancer = self.balancers.get(target) or rng.choice(list(self.balancers.values()))
        node = self.nodes.get(target) or rng.choice(list(self.nodes.values()))
        seconds = rng.choice((0.05, 0.3, 2.0, 12.0))
        match what.split():
            case ["halt"]:
                self.loop.send_signal(signal.SIGINT)
            case ["interrupt"]:
                self.loop.send_signal(signal.SIGINT)
                self.loop.send_signal(signal.SIGINT)
            case ["reload", "with", "more"]:
                balancer.add_backend()
                balancer.reload(keep_state=False)
            case ["reload", *state]:
                balancer.reload(keep_state=bool(state))
            case ["balancer", "restarts"]:
                balancer.restart(min(seconds, 2.0))
            case ["balancer", "pauses"]:
                balancer.pause(seconds)
            case ["balancer", "is", "away"]:
                balancer.leave(seconds)
            case ["balancer", "dies"]:
                balancer.die()
            case ["node", "crashes"]:
                node.crash(seconds)
            case ["node", "dies"]:
                node.crash(None)
            case ["page", "flaps"]:
                node.flap(rng.uniform(0.05, 1.0))
            case ["place", *_] if self.several is not None:
                until = world_time() + rng.choice((0.3, 2.0, 12.0, 40.0))
                if what == "place is away":
                    self.several.away_until = until
                else:
                    self.several.slow_until = until
            case ["deployer", "sleeps"]:
                self.client.sleep(rng.choice((3.0, 25.0, 35.0, LONGEST_SLEEP)))
            case ["operator", does]:
                process = balancer.process
                server = rng.choice([*process.servers.values(), *process.added.values()])
                self._operate(server, balancer, does)

    def _operate(self, server: SimServer, balancer: SimHAProxy, does: str) -> None:
        word = {"drains": "state drain", "maintains": "state maint", "readies": "state ready"}.get(does)
        is_twin = server.path in balancer.process.added
        weight = server.weight if is_twin else server.weight + 1
        line = f"set server {server.path} {word or f'weight {weight}'}\n"
        if not is_twin:
            self.watch.operated[server.node.name] = None
        self.watch.note(f"operator: {line.strip()} on {balancer.name}")
        before, now = server.admin, world_time()
        balancer.execute(line, "operator", now)
        if server.admin != before:  # else nobody can tell
            server.operated = now
