"""What HAProxy counts of every failure is read as what the client got."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rollout.domain import Counters
from tests.support.balancer import Balancer, balancer
from tests.support.faulty import FaultyApp, faulty_app
from tests.support.until import until_seen
from tests.support.visitors import Visitor

pytestmark = pytest.mark.every_haproxy

BACKENDS: dict[str, Sequence[str]] = {
    "plain": ("timeout server 300ms", "server app {app}:8000"),
    "gone": ("server gone {app}:9",),
    "gone_repeated": ("retries 1", "server gone {app}:9"),
    "redispatched": ("retries 1", "option redispatch 1", "server gone {app}:9", "server app {app}:8000"),
    "none": ("server app {app}:8000 disabled",),
    "repeated": ("retries 1", "retry-on all-retryable-errors", "server app {app}:8000"),
    "denied": ("http-request deny deny_status 503 if {{ path /error }}", "server app {app}:8000"),
    "hidden": (
        "http-response return status 200 content-type text/plain string ok if {{ status 503 }}",
        "server app {app}:8000",
    ),
}

FAILURES = {
    "an answer": ("plain", "/", 0, 0),
    "early hints": ("plain", "/hints", 0, 0),
    "an error": ("plain", "/error", 1, 1),
    "no answer": ("plain", "/nothing", 1, 1),
    "half an answer": ("plain", "/half", 1, 1),
    "no HTTP": ("plain", "/junk", 1, 1),
    "an answer too late": ("plain", "/late", 1, 1),
    "no connection": ("gone", "/", 1, 0),
    "no connection at a second try": ("gone_repeated", "/", 1, 0),
    "another server": ("redispatched", "/", 0, 0),
    "no server": ("none", "/", 1, 0),
    "an error at the first try": ("repeated", "/first/error", 0, 0),
    "errors only": ("repeated", "/error", 1, 1),
    "no answer at the first try": ("repeated", "/first/nothing", 0, 0),
    "an error by a rule": ("denied", "/error", 1, 0),
    "an error that a rule hides": ("hidden", "/error", 0, 1),
}
"""Backend and path of each, how many of one request fail for the client, and how many through a server."""


async def fails(visitor: Visitor, path: str) -> bool:
    """Whether a client gets an error, half an answer, or none."""
    try:
        status, _ = await visitor.get(path)
    except (OSError, EOFError):
        return True
    return status >= 500


async def counted(lb: Balancer, backend: str) -> tuple[Counters, Counters]:
    """What users got from a backend, and from its servers, once nothing runs there."""
    haproxy = lb.haproxy()

    async def quiet() -> bool:
        return all(state.idle for state in (await haproxy.read()).servers)

    await until_seen(quiet, "nothing to run")
    reading = await haproxy.read()
    servers = (state.counters for state in reading.servers if state.server.backend == backend)
    return reading.answered[backend], sum(servers, Counters())


async def compared(
    lb: Balancer, backend: str, path: str, failing: int, by_servers: int, *, fresh: bool = True
) -> str:
    """The difference between what a client saw and what HAProxy counted; empty if there is none.

    A client that is not `fresh` has its connection from a request before.
    """
    answered, served = await counted(lb, backend)
    visitor = Visitor(lb, backend, fresh=fresh)
    assert fresh or not await fails(visitor, "/")
    failed = await fails(visitor, path)
    visitor.close()
    now_answered, now_served = await counted(lb, backend)
    users, servers = now_answered - answered, now_served - served
    asked = 1 if fresh else 2
    if (users.asked, users.failed, servers.failed, int(failed)) == (asked, failing, by_servers, failing):
        return ""
    return f"{backend}{path} of {asked}: the client saw {failed}, HAProxy {users} and of servers {servers}"


def filled(app: FaultyApp, *names: str) -> dict[str, list[str]]:
    return {name: [line.format(app=app.host) for line in BACKENDS[name]] for name in names or BACKENDS}


async def test_each_failure_is_counted_as_a_client_saw_it(haproxy_binary: Path) -> None:
    """Also what HAProxy tried again, hid, or answered itself; and whether it was a server's doing."""
    async with faulty_app() as app, balancer(haproxy_binary, filled(app)) as lb:
        differences = [await compared(lb, *failure) for failure in FAILURES.values()]
        assert list(filter(None, differences)) == []


async def test_a_client_that_keeps_its_connection_sees_it_closed(haproxy_binary: Path) -> None:
    """It gets no 502 where the answer never comes: no counter of errors has that, and it is counted."""
    async with faulty_app() as app, balancer(haproxy_binary, filled(app)) as lb:
        kept = [failure for failure in FAILURES.values() if failure[0] == "plain"]
        differences = [await compared(lb, *failure, fresh=False) for failure in kept]
        assert list(filter(None, differences)) == []


async def test_connections_are_counted_in_tcp_mode(haproxy_binary: Path) -> None:
    """Those that could not be made failed, whether HAProxy tried again or had no server; others did not."""
    async with faulty_app() as app:
        backends = filled(app, "plain", "gone", "gone_repeated", "none")
        async with balancer(haproxy_binary, backends, settings=["mode tcp"]) as lb:
            differences = [await compared(lb, name, "/", int(name != "plain"), 0) for name in backends]
            assert list(filter(None, differences)) == []
