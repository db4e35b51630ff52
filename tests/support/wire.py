"""A wire to a server: a TCP relay that can take long, or go silent without closing anything."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self

from tests.support.loopback import own_address


class Wire:
    """A context manager. `delay` is the seconds that each piece takes to get through, either way. It listens
    on the server's port `at` an address, or at one of its own.

    It runs in a thread of its own, so that a test's loop may do what it likes.
    """

    def __init__(self, address: str, port: int, *, delay: float = 0.0, at: str = "") -> None:
        self.address = at or own_address()
        self.port = port
        self.delay = delay
        self._to = address
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._carries = asyncio.Event()
        self._ends = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def go_silent(self) -> None:
        """Carry nothing from now on, and close nothing."""
        self._loop.call_soon_threadsafe(self._carries.clear)

    def carry_on(self) -> None:
        """Carry everything again, what came meanwhile first."""
        self._loop.call_soon_threadsafe(self._carries.set)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listens.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        self._carries.set()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._relay(reader, writer)))

        async with await asyncio.start_server(connected, self.address, self.port):
            self._listens.set()
            await self._ends.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The handshake takes a round trip, and the first data comes with its end: no server waits for it.
        await asyncio.sleep(3 * self.delay)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._to, self.port)
        except OSError:
            writer.transport.abort()
            return
        try:
            # What a client sends first is not late any more; what comes back takes its way.
            await asyncio.gather(
                self._carry(reader, far_writer, delays_the_first=False), self._carry(far_reader, writer)
            )
        finally:
            writer.close()
            far_writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, delays_the_first: bool = True
    ) -> None:
        """Carry bytes one way until their sender has closed."""
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            data = b"begin"
            while data:
                due, data = await on_the_way.get()
                await asyncio.sleep(due - loop.time())
                await self._carries.wait()
                with suppress(OSError):
                    writer.write(data)
                    await writer.drain()
            with suppress(OSError):
                writer.write_eof()

        async def depart() -> None:
            delays = delays_the_first
            data = b"begin"
            while data:
                data = b""
                with suppress(OSError):
                    data = await reader.read(65536)
                on_the_way.put_nowait((loop.time() + (self.delay if delays else 0.0), data))
                delays = True

        await asyncio.gather(depart(), arrive())
