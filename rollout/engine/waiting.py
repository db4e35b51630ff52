"""Waiting for what a load balancer shows, and for several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar, cast

from rollout.domain import Reading
from rollout.errors import LoadBalancerUnreachable
from rollout.ports import LoadBalancer

T = TypeVar("T")
U = TypeVar("U")

_RETRY = 0.1


async def patiently(load_balancer: LoadBalancer, patience: float) -> Reading:
    """A fresh reading. Raises LoadBalancerUnreachable once there has been none for `patience` seconds: until
    then it may be reloading."""
    return await _again(load_balancer.read, patience)


async def insist(load_balancer: LoadBalancer, commands: Sequence[str], patience: float) -> None:
    """Send commands that may be sent twice: where the answer was lost, they are. Raises as `patiently`."""
    await _again(lambda: load_balancer.send(commands), patience)


async def together(tasks: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order; the first error ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(task) for task in tasks]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in running]


async def each(tasks: Iterable[Awaitable[None]]) -> None:
    """Every one to its end, whatever becomes of the others; then the first error is raised."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if result is not None:
            raise result


async def _again(ask: Callable[[], Awaitable[T]], patience: float) -> T:
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    while True:
        try:
            return await ask()
        except LoadBalancerUnreachable:
            if clock() >= deadline:
                raise
            await asyncio.sleep(_RETRY)


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """The results of two tasks of different kinds; the first error ends the other and is raised as it is."""
    tasks: list[Coroutine[Any, Any, object]] = [one, other]
    first, second = await together(tasks)
    return cast(T, first), cast(U, second)
