"""A place that is a folder on a host, used by shell lines: nothing has to be installed there."""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Literal

from rollout.domain import Completed, LockHolder, LockRequests, LockState, Publication, Shared
from rollout.errors import FactsMissing, HostError, LockLost, PlaceError, PlaceRefused
from rollout.ports import Host
from rollout.remote import place as lines

_TIMEOUT = 10.0
"""Seconds for one shell line."""
_LOOK_AGAIN = 1.0
"""Seconds between two looks for changes."""
_DIGITS = 8
"""Digits of a deployment's number in the name of its file, so that names sort as numbers do."""


class FolderPlace:
    """Implements `Place` by a folder on `host`.

    `folder` is the folder to use, empty for the usual one; `socket` the path of HAProxy's runtime socket
    there, empty for none; `meeting` says whether all users of that machine meet or those of one login.
    """

    def __init__(
        self,
        host: Host,
        service: str,
        *,
        folder: str = "",
        socket: str = "",
        meeting: Literal["machine", "login"] = "login",
    ) -> None:
        self._host = host
        self._finding = {
            "ROLLOUT_SERVICE": service,
            "ROLLOUT_FOLDER": folder,
            "ROLLOUT_SOCKET": socket,
            "ROLLOUT_MEETING": meeting,
        }
        self._path = ""
        self.group = ""
        """The group whose members share the folder; empty where only its owner uses it."""
        self.not_here = ""
        """The reason why the folder where all logins meet is not used; empty where there is none."""

    @property
    def where(self) -> str:
        return f"{self._path or self._finding['ROLLOUT_FOLDER'] or 'the folder'} on {self._host.name}"

    async def open(self) -> None:
        """Find the folder, and make it if it is not there. Raises PlaceError, PlaceRefused."""
        if not self._path:
            await self._run("true")

    async def take(self, holder: LockHolder, *, over: str = "", above: int = 0) -> int | None:
        completed = await self._run(
            lines.TAKE,
            lines.HELD,
            ROLLOUT_HOLDER=json.dumps(dataclasses.asdict(holder)),
            ROLLOUT_TOKEN=holder.token,
            ROLLOUT_OVER=over,
            ROLLOUT_ABOVE=str(above),
        )
        return int(completed.tail[-1]) if completed.status == 0 else None

    async def held(self) -> LockState | None:
        return self._lock((await self._run(lines.HOLDER)).tail[-3:])

    async def beat(self, holder: LockHolder) -> LockRequests:
        completed = await self._run(lines.BEAT, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token)
        if completed.status != 0:
            raise self._lost(completed, holder)
        who_asked = dict(line.split(" ", 1) for line in completed.tail if " " in line)
        return LockRequests(who_asked.get("halt", ""), who_asked.get("promote", ""))

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        asked = await self._run(lines.ASK, lines.NOT_OURS, ROLLOUT_REQUEST=request, ROLLOUT_WHO=who)
        return asked.status == 0

    async def drop(self, holder: LockHolder) -> None:
        await self._run(lines.DROP, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token)

    async def look(self, number: int = 0, known: int = 0) -> Shared:
        shown = await self._packed(lines.LOOK, ROLLOUT_NUMBER=_name(number), ROLLOUT_KNOWN=str(known))
        try:
            state, memory, rest = shown[:3], shown[3], shown[4:]
            end = rest.index("=")
            counts = {int(one): int(count) for one, count in (line.split() for line in rest[:end])}
            last = max(counts, default=0)
            facts = rest[end + 1 :][: counts.get(last, 0) - (known if last == number else 0)]
        except (ValueError, IndexError) as error:
            raise self._damaged(error) from error
        return Shared(self._lock(state), memory, counts, facts)

    async def facts(self, number: int) -> Sequence[str]:
        return await self._packed(lines.FACTS, ROLLOUT_NUMBER=_name(number))

    async def summaries(self, numbers: Collection[int]) -> Mapping[int, str]:
        shown = await self._packed(lines.SUMMARIES, ROLLOUT_NUMBERS=" ".join(map(_name, sorted(numbers))))
        return {int(number): summary for number, _, summary in (line.partition(" ") for line in shown)}

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        content = [published.memory or "", published.summary or "", *published.facts, "=end=", ""]
        environment = {
            "ROLLOUT_TOKEN": holder.token,
            "ROLLOUT_EPOCH": str(epoch),
            "ROLLOUT_NUMBER": _name(published.deployment),
            "ROLLOUT_AFTER": str(published.after),
            "ROLLOUT_MEMORY": "changed" if published.memory else "",
            "ROLLOUT_SUMMARY": "changed" if published.summary else "",
        }
        completed = await self._sent(lines.PUBLISH, "\n".join(content).encode(), environment)
        if completed.status == lines.NOT_OURS:
            raise self._lost(completed, holder)
        if completed.status == lines.GAP:
            raise FactsMissing(int(completed.tail[-1]))
        self._require(completed)

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        named = " ".join(map(_name, numbers))
        await self._run(lines.PRUNE, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token, ROLLOUT_NUMBERS=named)

    async def changes(self) -> AsyncGenerator[None, None]:
        seen = ""
        while True:
            stamp = (await self._run(lines.STAMP)).tail[-1]
            if stamp != seen:
                seen = stamp
                yield
            await asyncio.sleep(_LOOK_AGAIN)

    async def aclose(self) -> None:
        """Do nothing: the host's connection is its owner's."""

    def _lock(self, state: Sequence[str]) -> LockState | None:
        try:
            holder, silent, epoch = state
            if holder == "-":
                return None
            return LockState(LockHolder(**json.loads(holder)), float(silent), int(epoch))
        except (ValueError, TypeError) as error:
            raise self._damaged(error) from error

    def _lost(self, completed: Completed, mine: LockHolder) -> LockLost:
        """The error that says who has the lock, or had it last."""
        who = "somebody broke it"
        try:
            other = LockHolder(**json.loads(completed.tail[-1]))
        except (ValueError, TypeError, IndexError):
            pass
        else:
            if other.token != mine.token:
                who = f"{other} took over"
        return LockLost(f"the lock in {self.where} is lost: {who}")

    def _damaged(self, error: Exception) -> PlaceError:
        return PlaceError(
            f"{self.where} holds something else than rollout's state: {error}", hint="look inside"
        )

    async def _packed(self, line: str, **environment: str) -> list[str]:
        """The lines that a shell line printed, packed. Raises PlaceError."""
        printed: list[str] = []
        await self._run(line, None, printed.append, **environment)
        try:
            packed = base64.b64decode("".join(one[1:] for one in printed if lines.is_packed(one)))
            return gzip.decompress(packed).decode("utf-8", "surrogateescape").split("\n")[:-1]
        except (binascii.Error, OSError, EOFError) as error:
            raise self._damaged(error) from error

    async def _run(
        self,
        line: str,
        expected: int | None = None,
        output: Callable[[str], None] | None = None,
        **environment: str,
    ) -> Completed:
        """Run a line in the folder that exits with 0 or with `expected`. The first one finds the folder, too:
        on a long way, that spares an exchange. Raises PlaceError."""
        if self._path:
            return await self._line(line, {"ROLLOUT_PLACE": self._path, **environment}, output, expected)

        def seen(printed: str) -> None:
            self._note(printed)
            if output is not None:
                output(printed)

        found = f"{lines.FIND}ROLLOUT_PLACE=$place\n{line}"
        completed = await self._line(found, {**self._finding, **environment}, seen, expected)
        if not self._path:
            raise PlaceError(
                f"{self._host.name}: the folder for the state was not found", hint="rollout check"
            )
        return completed

    def _note(self, printed: str) -> None:
        """Take in a line that `FIND` printed."""
        kind, _, value = printed.partition(" ")
        if kind == "=place" and value.startswith("/"):
            self._path = value
        elif kind == "=group":
            self.group = value
        elif kind == "=not":
            self.not_here = value.removeprefix("here ")

    async def _line(
        self,
        line: str,
        environment: Mapping[str, str],
        output: Callable[[str], None] | None = None,
        expected: int | None = None,
    ) -> Completed:
        try:
            completed = await self._host.run(line, environment=environment, timeout=_TIMEOUT, output=output)
        except HostError as error:
            raise PlaceError(f"the state cannot be reached: {error}", hint=error.hint) from error
        if completed.status != expected:
            self._require(completed)
        return completed

    async def _sent(self, line: str, content: bytes, environment: Mapping[str, str]) -> Completed:
        await self.open()

        async def whole() -> AsyncIterator[bytes]:
            yield content

        try:
            return await self._host.send(
                line, whole(), environment={"ROLLOUT_PLACE": self._path, **environment}, timeout=_TIMEOUT
            )
        except HostError as error:
            raise PlaceError(f"the state cannot be reached: {error}", hint=error.hint) from error

    def _require(self, completed: Completed) -> None:
        """Raises PlaceError for an exit status other than 0, PlaceRefused for a folder that is not safe."""
        if completed.status == 0:
            return
        reason = "; ".join(completed.tail) or f"exit status {completed.status}"
        if completed.status == lines.REFUSED:
            raise PlaceRefused(f"{self._host.name}: {reason}", hint="rollout check says what to do")
        raise PlaceError(f"the state in {self.where} cannot be used: {reason}")


def _name(number: int) -> str:
    return f"{number:0{_DIGITS}}"
