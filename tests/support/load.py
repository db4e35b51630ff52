"""Steady HTTP requests from a thread of its own, while a test does something else; every loss is counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from tests.support.background import Background

_LOOK_AGAIN = 0.01


class Answered(NamedTuple):
    """`at` is by the monotonic clock, `took` in seconds."""

    at: float
    took: float
    status: int
    body: str


class Load(Background):
    """`rate` requests a second to `host:port`, each on a new connection, until the block ends. One that is
    not answered within `timeout` seconds is lost."""

    def __init__(
        self, host: str, port: int, target: str = "/", *, rate: float = 100.0, timeout: float = 10.0
    ) -> None:
        super().__init__()
        self._address = (host, port)
        self._target = target
        self._rate = rate
        self._timeout = timeout
        self.answers: list[Answered] = []
        self.lost: list[str] = []

    @property
    def bodies(self) -> list[str]:
        """Of all answers, in the order in which they came, each run of equal ones once."""
        return [body for body, _ in itertools.groupby(answer.body for answer in self.answers)]

    def until(self, true: Callable[[Answered], bool], what: str, *, within: float = 20.0) -> Answered:
        """The first answer from now on of which that is true."""
        seen = len(self.answers)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for answer in self.answers[seen:]:
                seen += 1
                if true(answer):
                    return answer
            time.sleep(_LOOK_AGAIN)
        raise AssertionError(f"waited in vain for {what}; lost: {self.lost[:5]}")

    def __enter__(self) -> Self:
        super().__enter__()
        self.until(lambda answer: answer.status == 200, "an answer")
        return self

    def _run(self) -> None:
        asyncio.run(self._send_steadily())

    async def _send_steadily(self) -> None:
        begin = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, begin + number / self._rate - time.monotonic()))
                if self._ends.is_set():
                    return
                requests.create_task(self._get())

    async def _get(self) -> None:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._ask(self._address)
        except (OSError, EOFError, ValueError, IndexError) as error:
            self.lost.append(f"{type(error).__name__}: {error}")
            return
        now = time.monotonic()
        self.answers.append(Answered(now, now - begin, status, body))
        if status != 200:
            self.lost.append(f"status {status}: {body[:80]}")

    async def _ask(self, address: tuple[str, int]) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(f"GET {self._target} HTTP/1.0\r\nHost: shop\r\n\r\n".encode())
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            return int(head.split()[1]), body
        finally:
            writer.close()


class KeptLoad(Load):
    """The same by `clients` that keep their connections, as load balancers do: they send over the same ones
    again and again, unless the other side has closed one by then."""

    def __init__(self, *place: Any, clients: int = 20, **options: Any) -> None:
        super().__init__(*place, **options)
        self._clients = clients
        self._kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def _send_steadily(self) -> None:
        await super()._send_steadily()
        for _, writer in self._kept:
            writer.close()

    async def _ask(self, address: tuple[str, int]) -> tuple[int, str]:
        reader, writer = await self._connection(address)
        try:
            writer.write(f"GET {self._target} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines if line)
            body = await self._body(reader, headers)
            if headers.get("connection") == "close":
                writer.close()
            else:
                self._kept.append((reader, writer))
            return int(first.split()[1]), body.decode()
        except BaseException:
            writer.close()
            raise

    async def _connection(
        self, address: tuple[str, int]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while len(self._kept) >= self._clients:
            reader, writer = self._kept.pop(0)
            if not reader.at_eof() and reader.exception() is None:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*address)

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await reader.read()
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body


def cost_of_one_at_a_time(loads: Sequence[Load], old: str, new: str) -> str:
    """What it cost the users of several processes that went from `old` to `new`, in words.

    `loads` has one load for each process. Fails if two of the processes were away at the same time.
    """
    gaps = []
    for load in loads:
        assert load.bodies == [old, new], f"users got {load.bodies}"
        last = max(answer.at for answer in load.answers if answer.body == old)
        first = min(answer.at for answer in load.answers if answer.body == new)
        gaps.append((last, first))
    alone = all(ended < begun for (_, ended), (begun, _) in itertools.pairwise(sorted(gaps)))
    assert alone, f"two were away at once: {sorted(gaps)}"
    away = max(ended - begun for begun, ended in gaps)
    lost = sum(len(load.lost) for load in loads)
    serving = f"{len(loads) - 1} of {len(loads)} always serve"
    return f"{serving}; each is away for {away:.2f} s at most, {lost} requests lost"
