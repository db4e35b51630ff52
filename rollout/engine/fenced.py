"""Load balancers, hosts and HTTP behind a fence: a deployer that may have lost its lock changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence

from rollout.domain import Answer, Completed, Logged, Reading, Server, Session
from rollout.engine.hold import Fence
from rollout.ports import Host, HttpClient, LoadBalancer


class FencedBalancer:
    """Implements `LoadBalancer`. `send` also raises what `Fence` raises, and looking at it needs no lock."""

    def __init__(self, balancer: LoadBalancer, fence: Fence) -> None:
        self._balancer = balancer
        self._fence = fence

    @property
    def name(self) -> str:
        return self._balancer.name

    async def send(self, commands: Sequence[str]) -> None:
        await self._fence()
        await self._balancer.send(commands)

    def focus(self, backends: Iterable[str]) -> None:
        self._balancer.focus(backends)

    async def read(self) -> Reading:
        return await self._balancer.read()

    async def process(self) -> tuple[int, int]:
        return await self._balancer.process()

    async def server_states(self) -> str:
        return await self._balancer.server_states()

    async def sessions(self, servers: Collection[Server], *, named: int) -> list[Session]:
        return await self._balancer.sessions(servers, named=named)

    async def logged(self) -> Logged | None:
        return await self._balancer.logged()

    async def level(self) -> str:
        return await self._balancer.level()


class FencedHost:
    """Implements `Host`. Each line may change something, so each raises what `Fence` raises, too."""

    def __init__(self, host: Host, fence: Fence) -> None:
        self._host = host
        self._fence = fence

    @property
    def name(self) -> str:
        return self._host.name

    async def connect(self) -> None:
        await self._host.connect()

    def expect(self, lines: int) -> None:
        self._host.expect(lines)

    async def run(
        self,
        line: str,
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        await self._fence()
        return await self._host.run(line, environment=environment, timeout=timeout, output=output)

    async def send(
        self,
        line: str,
        content: AsyncIterator[bytes],
        *,
        environment: Mapping[str, str],
        timeout: float,
        output: Callable[[str], None] | None = None,
    ) -> Completed:
        await self._fence()
        return await self._host.send(line, content, environment=environment, timeout=timeout, output=output)


class FencedHttp:
    """Implements `HttpClient`. A request other than GET may change something."""

    def __init__(self, http: HttpClient, fence: Fence) -> None:
        self._http = http
        self._fence = fence

    async def request(self, method: str, url: str, *, timeout: float) -> Answer:
        if method != "GET":
            await self._fence()
        return await self._http.request(method, url, timeout=timeout)
