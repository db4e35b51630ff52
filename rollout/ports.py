"""Ports: the engine's requirements of the outside world, as Protocols. Adapters implement them, and so do
simulations. All of them stand in this one file, long as it is: it is what a simulation has to keep.

All times are in seconds. Errors that any method of a Protocol raises are named at its class.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from rollout.domain import (
    Answer,
    Completed,
    Content,
    LockHolder,
    LockRequests,
    LockState,
    Logged,
    Note,
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

    async def states(self) -> Reading:
        """A reading begun after this call of the states of all servers and of the queues of backends. Its
        rest, sessions above all, may be from up to 1.5 s before: HAProxy takes long to show that."""
        ...

    async def look(self, servers: Collection[Server], *, now: bool = False) -> Reading:
        """A reading begun after this call that shows at least `servers`, not always what their backends
        answered. It costs what they cost, and not what all others do.

        Unless all of it must be from `now`, it may miss what others changed less than 0.25 s before, where
        HAProxy's statistics do not show it, such as a drain of a server that is DOWN.
        """
        ...

    def recent(self, since: float = 0.0, of: Collection[Server] | None = None) -> Reading | None:
        """The last reading, if it was begun after the last command, for as long as it took. One comes with
        each `send`. It was begun after `since` as well, by the loop's clock, and shows everything, or at
        least the servers `of`."""
        ...

    async def process(self) -> tuple[int, int]:
        """The process that answers now, as `Reading.process`. It costs no more with thousands of servers."""
        ...

    async def send(self, commands: Sequence[str], servers: Collection[Server] | None = None) -> None:
        """Send runtime commands that change something, in order. They end with a reading, which need not show
        more than `servers`.

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
        note: Note | None = None,
    ) -> Completed:
        """Run a line of `sh` with nothing on its standard input, and wait for its end.

        `output` gets each printed line, of both streams, as it comes. Neither `line` nor `environment` shows
        in a process list. The host keeps `note` while the line runs. An exit status other than 0 is not an
        error. Raises CommandTimedOut, AnswerLost, UsageError for a name that no variable can have, Superseded
        if the node was claimed after the claim of `note`, and the errors of `connect`.
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
        note: Note | None = None,
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

    async def look(
        self, number: int = 0, known: int = 0, *, latest: int | None = 1, also: Collection[int] = ()
    ) -> Shared:
        """All that `status` needs, in one exchange: of the `latest` deployments, or of all, and of those in
        `also`. `known` facts of the last one are left out if it is `number`."""
        ...

    async def numbers(self) -> Sequence[int]:
        """The deployments that lie there, oldest first."""
        ...

    async def facts(self, number: int) -> Sequence[str]:
        """The facts of a deployment, in order; none of one that is not there."""
        ...

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        """Add facts. They are safe from a crash of the place when this returns.

        Raises LockLost if the lock is no longer held by `holder` in `epoch`, FactsMissing.
        """
        ...

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        """Remove deployments, if `holder` holds the lock."""
        ...

    async def aclose(self) -> None:
        """Close connections that nothing else uses."""
        ...

    def changes(self, pace: float, *, facts: bool) -> AsyncGenerator[bool, None]:
        """An item every `pace` seconds, and one as soon as the place tells of a change: of the lock, of the
        requests to its holder or, with `facts`, of what is known of deployments.

        It says whether anything may have changed since the last item, or the beginning. A place that tells of
        nothing always says so, and so does one that cannot be asked now. Signs of life are no changes.
        """
        ...


Document = Mapping[str, Any]
"""A value that JSON can hold, and that whoever keeps it need not understand."""


Conclusions = tuple[Document | None, Mapping[str, Document]]
"""What follows from a record: the new summary of its deployment, if it changes, and the new memory of each
node of which it changes."""


def no_conclusions(record: Record) -> Conclusions:
    """Nothing follows from the record."""
    return None, {}


class Journal(Protocol):
    """Deployments as facts, and what follows from the facts: a summary of each deployment, and what is
    remembered of each node of a service. Both are kept with the facts, so that nobody must read old ones.

    Its methods that await raise JournalError.
    """

    async def begin(
        self, service: str, events: Sequence[Event], summarize: Callable[[Sequence[Record]], Document]
    ) -> Sequence[Record]:
        """The records of a new deployment's first events. They are on disk together with its number, which
        counts from 1 up and is unique among all services, and with the summary that `summarize` makes."""
        ...

    def append(
        self,
        deployment: int,
        event: Event,
        conclude: Callable[[Record], Conclusions] = no_conclusions,
    ) -> Record:
        """Take one event of a deployment that was begun here, or read. It is written soon, after all before
        it, and together with what `conclude` says of it."""
        ...

    async def written(self, node: str = "") -> None:
        """Wait until all that was taken is on disk, and until others know what they must before `node` is
        touched."""
        ...

    async def records(self, deployment: int) -> Sequence[Record]:
        """The facts of a deployment, in order, without what its commands printed."""
        ...

    async def printed(self, deployment: int, latest: int | None, node: str = "") -> Sequence[Record]:
        """The `latest` lines that a deployment's commands printed to the deployer of this machine, or all,
        oldest first; those of one `node`, if one is named."""
        ...

    async def summaries(self, service: str, latest: int | None = None) -> Mapping[int, Document | None]:
        """The summaries of the service's `latest` deployments, or of all, by number, oldest first; `None`
        where an older rollout kept none."""
        ...

    async def nodes(self, service: str) -> Mapping[str, Document]:
        """What is remembered of the service's nodes, by name."""
        ...

    async def keep(self, deployment: int, summary: Document, nodes: Mapping[str, Document]) -> None:
        """Keep what follows from facts that an older rollout has written."""
        ...

    async def numbers(self, service: str, but: int = 0) -> Sequence[int]:
        """The service's deployments without the `but` latest ones, oldest first."""
        ...

    async def forget(self, deployments: Collection[int]) -> None:
        """Remove deployments with all their events."""
        ...
