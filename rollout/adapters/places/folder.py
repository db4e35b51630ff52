"""A place that is a folder on a host, used by shell lines: nothing has to be installed there."""

from __future__ import annotations

import asyncio
import base64
import binascii
import dataclasses
import gzip
import json
import shlex
from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Literal

from rollout.domain import Completed, LockHolder, LockRequests, LockState, Publication, Shared
from rollout.errors import FactsMissing, HostError, LockLost, PlaceError, PlaceRefused
from rollout.ports import Host
from rollout.remote import place as lines

_TIMEOUT = 10.0
"""Seconds for one shell line."""
_DIGITS = 8
"""Digits of a deployment's number in the name of its file, so that names sort as numbers do."""
_ALL = 10**_DIGITS
"""More deployments than there are."""


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
        """Empty until a line has found it."""
        self._holds = False
        """Whether the lock is being taken or was, so that another line follows each."""
        self.group = ""
        """The group whose members share the folder; empty where only its owner uses it."""
        self.not_here = ""
        """The reason why the folder where all logins meet is not used; empty where there is none."""
        self.read_only = ""
        """The reason why this login may only look there; empty if it may do all."""

    @property
    def where(self) -> str:
        return f"{self._path or self._finding['ROLLOUT_FOLDER'] or 'the folder'} on {self._host.name}"

    async def take(self, holder: LockHolder, *, over: str = "", above: int = 0) -> int | None:
        self._holds = True
        completed, _ = await self._run(
            lines.TAKE,
            lines.HELD,
            ROLLOUT_HOLDER=json.dumps(dataclasses.asdict(holder)),
            ROLLOUT_TOKEN=holder.token,
            ROLLOUT_OVER=over,
            ROLLOUT_ABOVE=str(above),
        )
        self._holds = completed.status == 0
        return int(completed.tail[-1]) if self._holds else None

    async def held(self) -> LockState | None:
        completed, _ = await self._run(lines.HOLDER)
        return self._lock(completed.tail[-3:])

    async def beat(self, holder: LockHolder) -> LockRequests:
        completed, _ = await self._run(lines.BEAT, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token)
        if completed.status != 0:
            raise self._lost(completed, holder)
        who_asked = dict(line.split(" ", 1) for line in completed.tail if " " in line)
        return LockRequests(who_asked.get("halt", ""), who_asked.get("promote", ""))

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        asked, _ = await self._run(lines.ASK, lines.NOT_OURS, ROLLOUT_REQUEST=request, ROLLOUT_WHO=who)
        return asked.status == 0

    async def drop(self, holder: LockHolder) -> None:
        self._holds = False
        await self._run(lines.DROP, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token)

    async def look(
        self, number: int = 0, known: int = 0, *, latest: int | None = 1, also: Collection[int] = ()
    ) -> Shared:
        shown = await self._packed(
            f"rollout_also={shlex.quote(_names(also))}\n{lines.LOOK}",
            ROLLOUT_LATEST=str(_ALL if latest is None else latest),
            ROLLOUT_NUMBER=_name(number),
            ROLLOUT_KNOWN=str(known),
        )
        try:
            state, memory, total, rest = shown[:3], shown[3], int(shown[4]), shown[5:]
            counted = rest.index("=")
            summed = rest.index("=", counted + 1)
            counts = sorted((int(one), int(count)) for one, count in map(str.split, rest[:counted]))
            summaries = [line.partition(" ") for line in rest[counted + 1 : summed]]
            facts = rest[summed + 1 :]
            seen = Shared(
                self._lock(state),
                memory,
                total,
                dict(counts),
                {int(one): summary for one, _, summary in summaries},
            )
        except (ValueError, IndexError) as error:
            raise self._damaged(error) from error
        whole = seen.counts.get(seen.last, 0) - (known if seen.last == number else 0)
        return dataclasses.replace(seen, facts=facts[:whole])

    async def numbers(self) -> Sequence[int]:
        return [*map(int, await self._packed(lines.NUMBERS))]

    async def facts(self, number: int) -> Sequence[str]:
        return await self._packed(lines.FACTS, ROLLOUT_NUMBER=_name(number))

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        facts = "\n".join([published.memory or "", published.summary or "", *published.facts, ""])
        completed, _ = await self._run(
            f"rollout_facts={shlex.quote(facts)}\n{lines.PUBLISH}",
            lines.NOT_OURS,
            lines.GAP,
            ROLLOUT_TOKEN=holder.token,
            ROLLOUT_EPOCH=str(epoch),
            ROLLOUT_NUMBER=_name(published.deployment),
            ROLLOUT_AFTER=str(published.after),
            ROLLOUT_MEMORY="changed" if published.memory else "",
            ROLLOUT_SUMMARY="changed" if published.summary else "",
        )
        if completed.status == lines.NOT_OURS:
            raise self._lost(completed, holder)
        if completed.status == lines.GAP:
            raise FactsMissing(int(completed.tail[-1]))

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        line = f"rollout_numbers={shlex.quote(_names(numbers))}\n{lines.PRUNE}"
        await self._run(line, lines.NOT_OURS, ROLLOUT_TOKEN=holder.token)

    async def changes(self, pace: float, *, facts: bool) -> AsyncGenerator[bool, None]:
        """An item every `pace` seconds: a folder tells nobody, so who wants to know looks."""
        while True:
            await asyncio.sleep(pace)
            yield True

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
        _, printed = await self._run(line, **environment)
        try:
            packed = base64.b64decode("".join(one[1:] for one in printed if one.startswith("=")))
            return gzip.decompress(packed).decode("utf-8", "surrogateescape").split("\n")[:-1]
        except (binascii.Error, OSError, EOFError) as error:
            raise self._damaged(error) from error

    async def _run(self, line: str, *expected: int, **environment: str) -> tuple[Completed, list[str]]:
        """Run a line in the folder, which the first one finds. Returns how it ended, with 0 or as `expected`,
        and what it printed. Raises PlaceError, PlaceRefused."""
        if self._holds:
            self._host.expect(2)  # this one and the next
        printed: list[str] = []
        if self._path:
            environment |= {"ROLLOUT_PLACE": self._path, "ROLLOUT_READ_ONLY": self.read_only}
        else:
            line, environment = f"{lines.FIND}{line}", environment | self._finding
        try:
            completed = await self._host.run(
                line, environment=environment, timeout=_TIMEOUT, output=printed.append
            )
        except HostError as error:
            raise PlaceError(f"the state cannot be reached: {error}", hint=error.hint) from error
        self._note(printed)
        if completed.status not in (0, *expected):
            raise self._failed(completed)
        if not self._path:
            raise PlaceError(
                f"{self._host.name}: the folder for the state was not found", hint="rollout check"
            )
        return completed, printed

    def _note(self, printed: Sequence[str]) -> None:
        """Note what a line said of the folder that it found."""
        for text in printed:
            what, _, said = text.partition(": ")
            match what:
                case lines.PLACE:
                    self._path = said
                case lines.GROUP:
                    self.group = said
                case lines.NOT_HERE:
                    self.not_here = said
                case lines.READ_ONLY:
                    self.read_only = said

    def _failed(self, completed: Completed) -> PlaceError:
        """The error for a line that failed; PlaceRefused for a folder that is not to be used."""
        said = [text for text in completed.tail if not text.startswith("+")]
        reason = "; ".join(said) or f"exit status {completed.status}"
        if completed.status == lines.REFUSED:
            return PlaceRefused(f"{self._host.name}: {reason}", hint="rollout check says what to do")
        return PlaceError(f"the state in {self.where} cannot be used: {reason}")


def _name(number: int) -> str:
    return f"{number:0{_DIGITS}}"


def _names(numbers: Collection[int]) -> str:
    return " ".join(map(_name, sorted(numbers)))
