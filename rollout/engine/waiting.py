"""Waiting: for a load balancer that may be reloading, and for several tasks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from rollout.deadline import Deadline
from rollout.domain import Reading, Server
from rollout.engine.permission import Permission
from rollout.errors import LoadBalancerUnreachable
from rollout.ports import LoadBalancer

T = TypeVar("T")
U = TypeVar("U")

_RETRY = 0.1
"""Seconds between two tries."""
_CONNECTIONS = 250
"""Most systems let a process open 1,024 files."""


async def read_patiently(load_balancer: LoadBalancer, patience: float) -> Reading:
    """A fresh reading of a load balancer, which may be reloading now.

    Raises LoadBalancerUnreachable once it has not answered for `patience` seconds.
    """
    return await _until_reached(load_balancer.read, patience)


async def read_states_patiently(load_balancer: LoadBalancer, patience: float) -> Reading:
    """The states of all servers of a load balancer, as `read_patiently`."""
    return await _until_reached(load_balancer.states, patience)


async def look_patiently(
    load_balancer: LoadBalancer, servers: Collection[Server], patience: float, *, now: bool = False
) -> Reading:
    """A look at some servers of a load balancer, as `read_patiently`."""
    return await _until_reached(lambda: load_balancer.look(servers, now=now), patience)


async def send_patiently(
    load_balancer: LoadBalancer,
    commands: Sequence[str],
    servers: Collection[Server] | None,
    patience: float,
    permission: Permission,
) -> None:
    """Send commands to a load balancer, which may be reloading now. They end with a reading that shows at
    least `servers`.

    They are sent again where the answer was lost, so twice must do the same as once. Raises
    LoadBalancerUnreachable once it has not answered for `patience` seconds, LockLost, HostError.
    """

    async def send() -> None:
        await permission.ask()
        await load_balancer.send(commands, servers)

    await _until_reached(send, patience)


async def run_all(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run tasks at the same time. Returns their results in order.

    The first error ends the other tasks, and is raised as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(task) for task in tasks]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in running]


async def run_many(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run tasks as `run_all` does, but only so many at a time as a process may have connections."""
    places = asyncio.Semaphore(_CONNECTIONS)

    async def in_turn(task: Coroutine[Any, Any, T]) -> T:
        try:
            async with places:
                return await task
        finally:
            task.close()  # if it was cancelled before its turn

    return await run_all(map(in_turn, tasks))


async def run_both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Run two tasks with results of different types, as `run_all` does."""
    tasks: list[Coroutine[Any, Any, object]] = [one, other]
    first, second = await run_all(tasks)
    return cast(T, first), cast(U, second)


async def finish_all(tasks: Iterable[Awaitable[None]]) -> None:
    """Run tasks at the same time, each to its end even if others fail; then raise the first error."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if result is not None:
            raise result


async def _until_reached(ask: Callable[[], Awaitable[T]], patience: float) -> T:
    deadline = Deadline(patience)
    while True:
        try:
            return await ask()
        except LoadBalancerUnreachable:
            if deadline.passed:
                raise
            await asyncio.sleep(_RETRY)
