"""The context of a node: all that the steps of one node work with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from rollout.agents.common import talk
from rollout.deadline import look
from rollout.domain import Completed, Note
from rollout.engine.claim import Claim
from rollout.engine.log import StepLog
from rollout.engine.permission import Permission
from rollout.errors import NobodyListens, NotRunning, ReleaseRefused, RequestFailed, StepFailure
from rollout.inventory.model import Inventory
from rollout.inventory.template import fill
from rollout.ports import Host, HttpClient

_HINTS = {
    126: "the command exists on the node but is not executable",
    127: "the command was not found on the node: is it in the PATH of a non-interactive session?",
}
_FAILURES = {talk.NotRunning.exit_status: NotRunning, talk.Untouched.exit_status: ReleaseRefused}
"""The failures of an agent that are told apart, by its exit status."""


@dataclass(frozen=True, slots=True)
class NodeContext:
    """One node in one deployment. `release` is `None` for a rolling restart."""

    name: str
    inventory: Inventory
    release: str | None
    host: Host
    http: HttpClient
    """Sends requests to the node's own pages."""
    environment: Mapping[str, str]
    """The environment of the shell lines that are run for the node."""
    here: Host
    """The machine on which rollout runs."""
    public: HttpClient
    """Sends requests from here to anything but the node: the public address, Prometheus."""
    claim: Claim
    permission: Permission = field(default_factory=Permission)
    """Asked for before anything on the node is changed."""

    @property
    def address(self) -> str:
        """The node's host name or IP address, as the inventory has it."""
        return self.inventory.nodes[self.name].host

    def fill(self, text: str) -> str:
        """`text` with `{host}`, `{node}` and `{release}` filled in."""
        return fill(text, host=self.address, node=self.name, release=self.release)

    async def run(
        self,
        line: str,
        *,
        timeout: float,
        log: StepLog,
        shown: str = "",
        printed: list[str] | None = None,
    ) -> None:
        """Run a shell line on the node that must succeed; `timeout` is in seconds.

        The node keeps a note of it. What a driver runs is recorded as `shown`. Its exit status tells failures
        apart, and the last line of an agent's program says why it failed. `printed` gets the last lines that
        it prints. Raises StepFailure with them, HostError.
        """
        await self.permission.ask()
        log.sent(self.name, shown or line)
        await log.written()
        completed = await self.run_noted(line, log.step.value, timeout=timeout, output=log.output)
        if printed is not None:
            printed += completed.tail
        _require_success(completed, line, shown)

    async def send(
        self, line: str, content: AsyncIterator[bytes], *, timeout: float, log: StepLog, shown: str
    ) -> None:
        """Run a shell line as `run` does, with `content` on its standard input."""
        await self.permission.ask()
        log.sent(self.name, shown)
        await log.written()
        completed = await self.host.send(
            line,
            content,
            environment=self.environment,
            timeout=timeout,
            output=log.output,
            note=self._note(log.step.value),
        )
        _require_success(completed, line, shown)

    async def run_noted(
        self, line: str, step: str, *, timeout: float, output: Callable[[str], None]
    ) -> Completed:
        """Run a shell line that may change the node; its note calls it `step`. Raises HostError."""
        return await self.host.run(
            line, environment=self.environment, timeout=timeout, output=output, note=self._note(step)
        )

    async def request(self, method: str, url: str, *, timeout: float, log: StepLog) -> None:
        """Send the node a request. Raises StepFailure for no answer, or a status of 400 or above; NotRunning
        if nobody listens."""
        await self.permission.ask()
        log.sent(self.name, f"{method} {url}")
        await log.written()
        try:
            answer = await self.http.request(method, url, timeout=timeout)
        except RequestFailed as error:
            failure = NotRunning if isinstance(error, NobodyListens) else StepFailure
            raise failure(f"{method} {url}: {error}") from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise StepFailure(f"{method} {url} answered {answer.status}")

    async def look(self, line: str, *, timeout: float, lines: list[str] | None = None) -> Completed:
        """Run a shell line that changes nothing. It is not recorded, and any exit status is an answer.

        `lines` gets all that it prints.
        """
        printed = [] if lines is None else lines

        async def ask() -> Completed:
            printed.clear()
            return await self.host.run(
                line, environment=self.environment, timeout=timeout, output=printed.append
            )

        return await look(ask)

    def _note(self, step: str) -> Note:
        return self.claim.note(step, self.environment.get("ROLLOUT_DEPLOYMENT", ""))


def environment(
    inventory: Inventory, node: str | None, release: str | None, deployment: int | None, previous: str | None
) -> Mapping[str, str]:
    """The environment of a shell line: the inventory's variables, and rollout's own.

    Without a `node`, the line is run for the deployment as a whole.
    """
    own = {
        "ROLLOUT_NODE": node,
        "ROLLOUT_HOST": None if node is None else inventory.nodes[node].host,
        "ROLLOUT_SERVICE": inventory.service,
        "ROLLOUT_DEPLOYMENT": None if deployment is None else str(deployment),
        "ROLLOUT_RELEASE": release,
        "ROLLOUT_PREVIOUS_RELEASE": previous,
    }
    return {**inventory.variables, **{name: value for name, value in own.items() if value is not None}}


def _require_success(completed: Completed, line: str, shown: str) -> None:
    if completed.status != 0:
        ended = f"`{first_line(shown or line)}` exited with {completed.status}"
        failure = _FAILURES.get(completed.status, StepFailure) if shown else StepFailure
        says_why = failure is not StepFailure or shown not in ("", line)
        raise failure(
            completed.tail[-1] if says_why and completed.tail else ended,
            tail=completed.tail,
            hint=_HINTS.get(completed.status),
        )


def first_line(line: str) -> str:
    """The first line of a script, in full: a value that is cut would not be recognised, and not be masked."""
    first, *more = line.strip().splitlines() or [""]
    return f"{first}…" if more else first
