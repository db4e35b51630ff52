"""What goes wrong, and when: a fault strikes at one of the moments in which the engine crosses a port."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Port(StrEnum):
    """What the engine asks of the world."""

    READ = "read"
    SEND = "send"
    RUN = "run"
    CONNECT = "connect"
    PROBE = "probe"
    PLACE = "place"


_BALANCER = (Port.READ, Port.SEND)
_HOST = (Port.RUN,)
_PLACE = (Port.PLACE,)
_ANY = tuple(Port)

STRIKES: dict[str, tuple[Port, ...]] = {
    "refused": (*_BALANCER, Port.RUN, Port.CONNECT, Port.PROBE),
    "answer lost": (*_BALANCER, *_HOST),
    "answer torn": _BALANCER,
    "stuck": (*_BALANCER, *_HOST, Port.PROBE),
    "stuck, but done": _HOST,
    "connection cut before": _HOST,
    "connection cut, done later": _HOST,
    "command fails": _HOST,
    "command fails, but done": _HOST,
    "wrong status": (Port.PROBE,),
}
"""Faults of the crossing itself, with the ports at which they can strike."""

AT_PLACE = ("place refuses", "place loses the answer", "place is silent")
"""Faults of a crossing to the place where several deployers meet."""
WITH_SEVERAL = ("place is away", "place is slow", "deployer sleeps")
"""What happens in the world where several deployers meet."""
KILLS = ("killed", "killed after")
"""Before the crossing, and after it has had its effect."""
EVENTS = (
    "halt",
    "interrupt",
    "reload",
    "reload with its state",
    "reload with more",
    "balancer restarts",
    "balancer pauses",
    "balancer is away",
    "balancer dies",
    "node crashes",
    "node dies",
    "page flaps",
    "operator drains",
    "operator maintains",
    "operator readies",
    "operator weighs",
)
"""What happens in the world at that moment, whatever is crossed."""


@dataclass(frozen=True)
class Fault:
    """Strikes at the first crossing from number `at` on at which it can."""

    at: int
    what: str

    def strikes(self, port: Port) -> bool:
        return port in (_PLACE if self.what in AT_PLACE else STRIKES.get(self.what, _ANY))

    def __str__(self) -> str:
        return f"{self.what} (from crossing {self.at})"


class Faults:
    """Counts the crossings. `happen` makes an event of the world happen."""

    def __init__(self, planned: Sequence[Fault], happen: Callable[[str, Port, str], None]) -> None:
        self._waiting = sorted(planned, key=lambda fault: fault.at)
        self._happen = happen
        self.crossings = 0
        self.struck: list[str] = []

    def crossing(self, port: Port, target: str) -> str:
        """The fault of this crossing itself, if it has one."""
        self.crossings += 1
        found = ""
        while self._waiting and self._waiting[0].at <= self.crossings:
            fault = next((f for f in self._waiting if f.at <= self.crossings and f.strikes(port)), None)
            if fault is None:
                break
            own = fault.what in STRIKES or fault.what in KILLS or fault.what in AT_PLACE
            if own and found:
                break
            self._waiting.remove(fault)
            self.struck.append(fault.what)
            if own:
                found = fault.what
            else:
                self._happen(fault.what, port, target)
        return found


def plan_faults(rng: random.Random, nodes: int) -> tuple[Fault, ...]:
    """None in a quarter of all runs, otherwise one or several, anywhere in the deployment."""
    count = rng.choices((0, 1, 2, 4), (25, 45, 20, 10))[0]
    kinds = (list(STRIKES), list(EVENTS), list(KILLS))
    planned = []
    for _ in range(count):
        what = rng.choice(rng.choices(kinds, (50, 42, 8))[0])
        last = 40 * nodes
        at = rng.randint(1, last) if rng.random() < 0.75 else int(math.exp(rng.uniform(0, math.log(last))))
        planned.append(Fault(at, what))
    return tuple(planned)


def plan_faults_of_several(rng: random.Random, nodes: int) -> tuple[Fault, ...]:
    """What breaks in addition where several deployers meet: at the place, or one of them sleeps."""
    count = rng.choices((0, 1, 2, 4), (25, 35, 25, 15))[0]
    kinds = (AT_PLACE, WITH_SEVERAL, KILLS)
    return tuple(
        Fault(rng.randint(1, 60 * nodes), rng.choice(rng.choices(kinds, (40, 45, 15))[0]))
        for _ in range(count)
    )
