"""When HAProxy checks a server: by `inter`, `fastinter` or `downinter`, as `rollout check` counts on."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.loopback import own_address
from tests.support.started import at, started
from tests.support.until import until, until_seen

pytestmark = pytest.mark.every_haproxy

NAMES = tuple(f"web{number}" for number in range(1, 9))
FAST = "fastinter 50ms downinter 50ms"
_LATE = 2.0
"""Seconds that a busy machine may add."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="ct-"))
    yield made
    shutil.rmtree(made)


class Checked:
    """Servers of one backend, each checked by a connection, and when those came, by the server's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clock = asyncio.get_running_loop().time
        self.started = self._clock()
        self.times: dict[str, list[float]] = {name: [] for name in NAMES}
        self.addresses: dict[str, tuple[str, int]] = {}
        self.status = "200 OK"
        """What a check is answered."""
        self._listeners: dict[str, asyncio.Server] = {}

    async def listen(self, name: str) -> None:
        """Answer the checks of a server from now on."""
        host, port = self.addresses.setdefault(name, (own_address(), 8000))
        self._listeners[name] = await asyncio.start_server(partial(self._came, name), host, port)

    def refuse(self, name: str) -> None:
        """Nobody listens there from now on."""
        self._listeners.pop(name).close()

    def close(self) -> None:
        for name in [*self._listeners]:
            self.refuse(name)

    async def _came(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.times[name].append(self._clock())
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.0 {self.status}\r\n\r\n".encode())
        writer.close()

    def since(self, begun: float, name: str) -> list[float]:
        """When the checks after a moment came, in seconds after it."""
        return [time - begun for time in self.times[name] if time > begun]

    async def tell(self, *words: str) -> float:
        """Send what is said of each server; the moment of it."""
        await at(self._folder).send([f"set server shop/{name} {word}" for name in NAMES for word in words])
        return self._clock()

    async def first_checks(self, begun: float) -> list[float]:
        """Seconds from a moment until the first check of each server."""
        await until(lambda: all(self.since(begun, name) for name in NAMES), "the first checks")
        return sorted(self.since(begun, name)[0] for name in NAMES)

    async def next_check(self, name: str) -> None:
        checks = len(self.times[name])
        await until(lambda: len(self.times[name]) > checks, "the next check")

    async def show(self, status: str) -> bool:
        """Whether HAProxy shows this of all servers."""
        return all(state.status == status for state in (await at(self._folder).read()).servers)


@asynccontextmanager
async def checked(binary: Path, folder: Path, options: str, more: str = "") -> AsyncIterator[Checked]:
    """HAProxy with these options for each server, and `more` lines in its backend."""
    here = Checked(folder)
    for name in NAMES:
        await here.listen(name)
    servers = [
        f"  server {name} {host}:{port} check {options}" for name, (host, port) in here.addresses.items()
    ]
    text = "\n".join(
        [
            f"global\n  stats socket {folder}/socket level admin",
            "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s",
            f"backend shop\n  option httpchk GET /\n  {more}",
            *servers,
            "",
        ]
    )
    (folder / "haproxy.cfg").write_text(text)
    here.started = asyncio.get_running_loop().time()
    async with started(folder, binary, "-db", "-f", folder / "haproxy.cfg", work=folder):
        yield here
    here.close()


@pytest.mark.parametrize(
    ("options", "within", "spread"),
    [
        ("inter 2s downinter 50ms", 2.0, 1.0),
        (f"inter 2s {FAST}", 0.05, 0.0),
        (f"inter 2s fall 1 {FAST}", 2.0, 1.0),
    ],
    ids=["inter", "fastinter", "one failure is enough"],
)
async def test_the_first_checks_of_a_process(
    haproxy_binary: Path, folder: Path, options: str, within: float, spread: float
) -> None:
    """They are spread over `fastinter` where one failed check does not take a server out, else over
    `inter`."""
    async with checked(haproxy_binary, folder, options) as here:
        took = await here.first_checks(here.started)
        assert took[-1] < within + _LATE
        assert took[-1] - took[0] >= spread
        if within < 1.0:
            assert took[-1] - took[0] < 1.0


@pytest.mark.parametrize("was_down", [False, True], ids=["UP before", "DOWN before"])
async def test_the_first_check_after_maintenance(
    haproxy_binary: Path, folder: Path, *, was_down: bool
) -> None:
    """It comes when `inter` says so: `fastinter` and `downinter` hasten nothing, also where the server was
    DOWN before, or is taken for DOWN until then."""
    async with checked(haproxy_binary, folder, f"inter 2s rise 2 fall 2 {FAST}") as here:
        await here.first_checks(here.started)
        if was_down:
            here.close()
            await until_seen(partial(here.show, "DOWN"), "the failed checks")
        await here.tell("state maint")
        entered = asyncio.get_running_loop().time()
        for name in NAMES if was_down else ():
            await here.listen(name)
        # The check that was due at `downinter` still comes; what follows does so at `inter`.
        await until(lambda: asyncio.get_running_loop().time() > entered + 0.3, "a check that is left out")
        begun = await here.tell("state drain", "health down")
        took = await here.first_checks(begun)
        assert 0.5 < took[-1] < 2.0 + _LATE


async def test_a_server_that_is_down_is_checked_at_downinter(haproxy_binary: Path, folder: Path) -> None:
    """Once its page is right, `rise` checks follow at `downinter` and `fastinter`: it is UP before `inter` is
    over."""
    async with checked(haproxy_binary, folder, f"inter 6s rise 3 fall 2 {FAST}") as here:
        await here.first_checks(here.started)
        here.close()
        await until_seen(partial(here.show, "DOWN"), "the failed checks")
        begun = asyncio.get_running_loop().time()
        for name in NAMES:
            await here.listen(name)
        await until_seen(partial(here.show, "UP"), "the passed checks")
        assert asyncio.get_running_loop().time() - begun < 2.0 + _LATE


async def test_a_server_whose_page_answers_404_is_checked_at_inter(
    haproxy_binary: Path, folder: Path
) -> None:
    """With `disable-on-404` nothing failed: it takes requests again after a check of `inter`."""
    more = "http-check disable-on-404"
    async with checked(haproxy_binary, folder, f"inter 2s rise 2 fall 2 {FAST}", more) as here:
        await here.first_checks(here.started)
        here.status = "404 Not Found"
        await until_seen(partial(here.show, "NOLB"), "the checks that find 404")
        await asyncio.gather(*(here.next_check(name) for name in NAMES))
        here.status, begun = "200 OK", asyncio.get_running_loop().time()
        took = await here.first_checks(begun)
        assert 0.5 < took[-1] < 2.0 + _LATE
