"""Ports: the engine's requirements of the outside world, as Protocols. Adapters implement them, and so do
simulations.

All times are in seconds. Errors that any method of a Protocol raises are named at its class.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from rollout.domain import (
    Answer,
    Completed,
    Content,
    LockHolder,
    LockRequests,
    LockState,
    Logged,
    Publication,
    Reading,
    Server,
    Session,
    Shared,
)
from rollout.events import Event, Record


class LoadBalancer(Protocol):
    """One HAProxy, by its runtime socket.

    Every method that awaits raises LoadBalancerUnreachable, NotHAProxy or CommandRejected.
    """

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        ...

    async def read(self) -> Reading:
        """A reading begun after this call. All who wait at the same time share one."""
        ...

    async def process(self) -> tuple[int, int]:
        """The process that answers now, as `Reading.process`. It costs no more with thousands of servers."""
        ...

    async def send(self, commands: Sequence[str]) -> None:
        """Send runtime commands that change something, in order.

        All are sent, whether or not HAProxy rejects one, also if the caller is cancelled; the first rejection
        is raised at the end. After LoadBalancerUnreachable, any number of them may have been carried out.
        """
        ...

    async def server_states(self) -> str:
        """The states of all servers, as a state file holds them, which HAProxy loads when it starts."""
        ...

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        """The sessions on `servers`, oldest first; for the `named` oldest also what they do.

        HAProxy spends 10 µs on each session that it has, on whatever server.
        """
        ...

    async def logged(self) -> Logged | None:
        """What HAProxy logged to a ring since the last call, the first time what the ring holds; `None` where
        it has no ring to which requests may be logged."""
        ...

    async def level(self) -> str:
        """The permission level of the socket: `user`, `operator` or `admin`."""
        ...

    def focus(self, backends: Iterable[str]) -> None:
        """Read these backends from now on; others need not be read."""
        ...


class Host(Protocol):
    """A machine that runs shell lines: over SSH, or this one."""

    @property
    def name(self) -> str:
        """The name of the node or load balancer whose machine it is."""
        ...

    async def connect(self) -> None:
        """Open the connection, if it is not open.

        Raises HostUnreachable, AuthenticationFailed, HostKeyUnknown or HostKeyChanged.
        """
        ...

    def expect(self, lines: int) -> None:
        """Get ready to run that many lines soon. If that is impossible, `run` says so."""
        ...

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a line of `sh` with nothing on its standard input, and wait for its end.

        `output` gets each printed line, of both streams, as it comes. Neither `line` nor `environment` shows
        in a process list. An exit status other than 0 is not an error. Raises CommandTimedOut, AnswerLost,
        UsageError for a name that no variable can have, and the errors of `connect`.
        """
        ...

    async def send(
        self,
        line: str,
        content: AsyncIterator[bytes],
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a line as `run` does, with `content` on its standard input, taken as fast as the line reads.

        A line that ends early is given no more. After an error of `content` the line gets an end of file, as
        after all of it, and the error is raised: the line must know how much to expect.
        """
        ...


class Sources(Protocol):
    """Files and folders of this machine that are sent to nodes. Its methods raise SourceError."""

    async def archive(self, path: Path) -> Content:
        """The bytes of a file."""
        ...

    async def packed(self, path: Path) -> Content:
        """A tar archive of a file, or of all that is in a folder."""
        ...


class HttpClient(Protocol):
    """HTTP for health pages and for requests to an application."""

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        """The answer to one request, on a connection of its own; redirects are not followed.

        Raises RequestFailed if no answer comes, and NobodyListens, which is one, if the port is closed.
        """
        ...


class Place(Protocol):
    """The place where the deployers of a service meet: its lock, and the facts of its deployments.

    Facts, summaries and the memory are lines of JSON that a place does not look into. Every method that
    awaits raises PlaceError if the place cannot be used now; what was asked may have been done all the same.
    """

    @property
    def where(self) -> str:
        """The place as a person knows it, such as `/var/lib/rollout/shop-4038471504 on lb1`."""
        ...

    async def take(self, holder: LockHolder, *, over: str = "", above: int = 0) -> int | None:
        """Take the lock in a new epoch, and return the epoch; `None` if somebody else holds the lock.

        A holder that has it, by a try whose answer was lost, gets its epoch again. `over` is the token of a
        holder from whom it is taken, `above` an epoch that is known to be past.
        """
        ...

    async def held(self) -> LockState | None:
        """The lock; `None` if nobody holds it."""
        ...

    async def beat(self, holder: LockHolder) -> LockRequests:
        """Give a sign of life, and return the requests to `holder`. Raises LockLost.

        A request to halt is given again each time, one to promote once.
        """
        ...

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        """Ask the holder to halt, or to continue after a pause; False if nobody holds the lock."""
        ...

    async def drop(self, holder: LockHolder) -> None:
        """Release the lock that `holder` took. Does nothing if somebody else holds it by now."""
        ...

    async def look(self, number: int = 0, known: int = 0) -> Shared:
        """All that `status` needs, in one exchange; `known` facts of deployment `number` are left out."""
        ...

    async def facts(self, number: int) -> Sequence[str]:
        """The facts of a deployment, in order; none of one that is not there."""
        ...

    async def summaries(self, numbers: Collection[int]) -> Mapping[int, str]:
        """The summaries of deployments, by number; one that has none is missing."""
        ...

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        """Add facts. They are safe from a crash of the place when this returns.

        Raises LockLost if the lock is no longer held by `holder` in `epoch`, FactsMissing.
        """
        ...

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        """Remove deployments, if `holder` holds the lock."""
        ...

    def changes(self) -> AsyncGenerator[None, None]:
        """An item at once, and one soon after each change of what others do there: the lock, requests, facts.

        Several changes may be one item, and an item may come without a change; signs of life are none. What
        is read after an item shows all that came before it.
        """
        ...


class Lock(Protocol):
    """The lock of a service: one deployer at a time touches it. Every method that awaits raises HostError."""

    @property
    def where(self) -> str:
        """The place of the lock, such as `/tmp/rollout-shop-1a2b3c4d.lock on lb1`."""
        ...

    async def take(self, holder: LockHolder) -> bool:
        """Take the lock; False if somebody holds it."""
        ...

    async def held(self) -> LockState | None:
        """The holder of the lock; `None` if nobody holds it."""
        ...

    async def beat(self, holder: LockHolder) -> LockRequests:
        """Give a sign of life, and return the requests to `holder`. Raises LockLost.

        A request to halt is given again each time, one to promote once.
        """
        ...

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        """Ask the holder to halt, or to continue after a pause; False if nobody holds the lock."""
        ...

    async def drop(self, holder: LockHolder) -> None:
        """Release the lock that `holder` took. Does nothing if somebody else holds it by now."""
        ...


class Journal(Protocol):
    """Deployments as events, on disk. Its methods raise JournalError."""

    def begin(self, service: str) -> int:
        """The number of a new deployment, from 1 up, unique among all services."""
        ...

    def append(self, deployment: int, event: Event) -> Record:
        """Write one event. It is on disk when this returns; printed lines are a moment later."""
        ...

    def deployments(self, service: str) -> Sequence[int]:
        """The numbers of the service's deployments, oldest first."""
        ...

    def records(self, deployment: int) -> Sequence[Record]:
        """The events of a deployment, in order."""
        ...
