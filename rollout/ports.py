"""What the engine asks of the world. Adapters implement these; simulations may too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from rollout.domain import (
    Answer,
    Completed,
    Content,
    LockHolder,
    LockRequests,
    LockState,
    Reading,
    Server,
    Session,
)
from rollout.events import Event, Record


class LoadBalancer(Protocol):
    """One HAProxy, by its runtime socket."""

    @property
    def name(self) -> str: ...

    async def read(self) -> Reading:
        """A reading begun after this call. Waiters at the same time share one.

        Raises LoadBalancerUnreachable, NotHAProxy, CommandRefused.
        """
        ...

    async def send(self, commands: Sequence[str]) -> None:
        """Run commands that change something, in order and as one line.

        Raises LoadBalancerUnreachable, NotHAProxy, CommandRefused.
        """
        ...

    async def server_states(self) -> str:
        """What all servers are, in the words in which HAProxy can be told it when it starts.

        Raises LoadBalancerUnreachable, CommandRefused.
        """
        ...

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        """The sessions on some servers, the oldest first; of the `named` oldest also what they do.

        It takes HAProxy 10 µs for each session that it has, on whatever server. Raises as `send`.
        """
        ...

    async def level(self) -> str:
        """The socket's permission level: `user`, `operator` or `admin`."""
        ...

    def focus(self, backends: Iterable[str]) -> None:
        """Read only these backends from now on."""
        ...


class Host(Protocol):
    """A machine that runs shell lines: over SSH, or this one."""

    @property
    def name(self) -> str: ...

    async def connect(self) -> None:
        """Open the connection, if it is not open.

        Raises HostUnreachable, AuthenticationFailed, HostKeyUnknown, HostKeyChanged.
        """
        ...

    def expect(self, lines: int) -> None:
        """Be ready: so many lines will have to be run soon. Whether that is possible, `run` tells."""
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

        `output` gets each printed line, of both streams, as it comes. `timeout` is in seconds. Neither
        `line` nor `environment` shows in a process list. Raises CommandTimedOut, AnswerLost, and what
        `connect` raises. An exit status other than 0 is no error here.
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
        """As `run`, with `content` on the standard input of the line, taken as fast as the line reads.

        A line that ends early is given no more. After an error of `content` the line gets an end of file, as
        after all of it, and the error is raised: whoever reads must know how much to expect.
        """
        ...


class Sources(Protocol):
    """What is on this machine, to be sent to nodes."""

    async def archive(self, path: Path) -> Content:
        """A file, as it is. Raises SourceError."""
        ...

    async def packed(self, path: Path) -> Content:
        """A file, or all that is in a folder, as a tar archive. Raises SourceError."""
        ...


class HttpClient(Protocol):
    """HTTP, as health pages are asked."""

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        """One request on a connection of its own; redirects are not followed. Raises ProbeFailed."""
        ...


class Lock(Protocol):
    """Lets one deployer at a time touch a service. Its methods raise HostError where it cannot be reached."""

    @property
    def where(self) -> str: ...

    async def take(self, holder: LockHolder) -> bool:
        """Take it, if nobody holds it."""
        ...

    async def held(self) -> LockState | None:
        """Who holds it."""
        ...

    async def beat(self, holder: LockHolder) -> LockRequests:
        """Give a sign of life; what the holder was asked to do. To promote is asked once. Raises LockLost."""
        ...

    async def ask(self, wish: Literal["halt", "promote"], who: str) -> bool:
        """Ask the holder to halt, or to go on after a pause; False if nobody holds it."""
        ...

    async def drop(self, holder: LockHolder) -> None:
        """Give it up, or take it from a holder that is gone. Does nothing if another one holds it by now."""
        ...


class Journal(Protocol):
    """Where deployments are kept, as events."""

    def begin(self, service: str) -> int:
        """Open a deployment and give its number. Raises JournalError."""
        ...

    def append(self, deployment: int, event: Event) -> Record:
        """Write one event; it is on disk when this returns, output lines a moment later.

        Raises JournalError.
        """
        ...

    def deployments(self, service: str) -> Sequence[int]:
        """The service's deployments, oldest first."""
        ...

    def records(self, deployment: int) -> Sequence[Record]:
        """All that is known of a deployment, in order."""
        ...
