"""Agents as HAProxy asks them (`agent-check`): whoever connects gets one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager


class Agent:
    """The agent of one node. It says `word`, after `delay` seconds."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.delay = 0.0
        self.asked = 0
        """How often it was asked."""
        self.answered = 0
        """How often it has answered, or tried to."""
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        word = self.word
        try:
            await asyncio.sleep(self.delay)
            writer.write(f"{word}\n".encode())
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            self.answered += 1
            writer.close()


@asynccontextmanager
async def agents(names: Sequence[str], word: str) -> AsyncIterator[dict[str, Agent]]:
    """An agent for each node, all with the same word."""
    async with AsyncExitStack() as stack:
        made = {name: Agent(word) for name in names}
        for agent in made.values():
            server = await asyncio.start_server(agent.answer, "127.0.0.1", 0)
            await stack.enter_async_context(server)
            agent.port = server.sockets[0].getsockname()[1]
        yield made
