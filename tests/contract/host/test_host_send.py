"""What `Host.send` promises, shown for both hosts: over SSH and on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest

from rollout.agents.common.proc import find
from rollout.domain import Completed
from rollout.errors import AnswerLost, CommandTimedOut
from rollout.ports import Host
from tests.support.sshd import Sshd
from tests.support.until import wait

PIECE = os.urandom(1 << 16)


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PIECE


async def without_end() -> AsyncIterator[bytes]:
    """As slowly as it is read, until nobody wants more of it."""
    while True:
        yield PIECE
        await asyncio.sleep(0.001)


async def send(host: Host, line: str, content: AsyncIterator[bytes], **options: object) -> Completed:
    settings: dict[str, object] = {"environment": {}, "timeout": 30.0, **options}
    return await host.send(line, content, **settings)  # type: ignore[arg-type]


async def test_all_of_it_arrives_as_it_is(host: Host) -> None:
    """The line reads what was sent and nothing else, and finds its environment as ever."""
    done = await send(host, 'sha256sum; echo "$WORD"; exit 3', pieces(100), environment={"WORD": "it's"})
    assert done == Completed(3, (f"{hashlib.sha256(PIECE * 100).hexdigest()}  -", "it's"))


async def test_nothing_at_all_can_be_sent(host: Host) -> None:
    """An empty content is an end of file."""
    assert (await send(host, "wc -c", pieces(0))).tail == ("0",)


async def test_what_is_printed_comes_while_it_is_sent(host: Host) -> None:
    """A line that prints as much as it reads does not wait for the end of what is sent."""
    done = await send(host, "tr -c '\\n' x | tr '\\n' y | fold -w 1000 | tee /dev/null | wc -l", pieces(200))
    assert done.tail == (str(len(PIECE) * 200 // 1000),)
    lines: list[str] = []
    await send(host, "base64 -w 100", pieces(40), output=lines.append)
    assert len(lines) == -(-len(PIECE) * 40 * 4 // 3 // 100)


async def test_a_line_that_ends_early_is_given_no_more(host: Host) -> None:
    """Its exit status comes back at once, however much there would be to send."""
    assert await send(host, "head -c 10 | wc -c; exit 4", without_end()) == Completed(4, ("10",))


async def test_an_error_of_the_content_ends_the_line(host: Host) -> None:
    """The line gets an end of file, and the error comes out as it is, whatever the line makes of it."""

    async def broken() -> AsyncIterator[bytes]:
        yield PIECE
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await send(host, "cat >/dev/null", broken())


@pytest.mark.parametrize("line", ["exec sleep 60", "exec cat > /dev/null"])
async def test_it_is_ended_with_its_line(host: Host, line: str) -> None:
    """At its timeout a line is ended whether it reads or not, and the host can be used as before."""
    lines: list[str] = []
    with pytest.raises(CommandTimedOut, match=r"within 0.5 s"):
        await host.send(f"echo $$; {line}", without_end(), environment={}, timeout=0.5, output=lines.append)
    wait(lambda: find(int(lines[0])) is None, "the end of the line")
    done = await host.run("echo fine", environment={}, timeout=10.0)
    assert done.tail == ("fine",)


async def test_cancelling_it_stops_the_sending(host: Host) -> None:
    """Nothing more is asked of the content once the sending is cancelled."""
    given = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal given
        async for data in without_end():
            given += 1
            yield data

    begun = asyncio.Event()
    line = "echo ready; cat >/dev/null"
    sending = host.send(line, counted(), environment={}, timeout=60.0, output=lambda _: begun.set())
    task = asyncio.create_task(sending)
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    before = given
    done = await host.run("echo fine", environment={}, timeout=10.0)
    assert given == before
    assert done.tail == ("fine",)


async def test_nothing_of_it_shows_in_a_process_list(host: Host) -> None:
    """Neither the line nor its environment is an argument of any process."""
    line = "WORD=sesame; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | fold -w 1000"
    seen: list[str] = []
    await send(host, line, pieces(1), environment={"SECRET": "open-up"}, output=seen.append)
    everything = "".join(seen)
    assert "read -r size" in everything, "the wrapper itself must be there, or the test looked nowhere"
    assert "sesame" not in everything
    assert "open-up" not in everything


@pytest.mark.parametrize("target", ["ssh"], indirect=True)
async def test_a_connection_that_breaks_meanwhile(host: Host, sshd: Sshd) -> None:
    """That the outcome is not known is said as for any line."""
    line = "echo ready; cat >/dev/null"
    with pytest.raises(AnswerLost, match="connection broke"):
        await host.send(line, without_end(), environment={}, timeout=30.0, output=lambda _: sshd.cut())
