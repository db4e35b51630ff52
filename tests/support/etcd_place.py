"""A place in etcd, opened and taken by a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rollout.adapters.places.etcd import EtcdPlace
from rollout.domain import EtcdAddress
from tests.support.folders import ONE


@asynccontextmanager
async def opened(address: EtcdAddress, service: str = "shop") -> AsyncIterator[EtcdPlace]:
    place = EtcdPlace(address, service)
    try:
        yield place
    finally:
        await place.aclose()


async def taken(place: EtcdPlace) -> int:
    epoch = await place.take(ONE)
    assert epoch is not None
    return epoch
