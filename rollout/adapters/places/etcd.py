"""A place in etcd: keys below one prefix, which change in transactions.

    lock              the holder, as JSON; the key has a lease, which each sign of life renews
    lock/halt, …      who asked the holder to halt, or to promote
    last              who released the lock last, until somebody takes it again
    epoch             how often the lock was taken, and the token of the last one who did
    memory            what is known of each node
    counts/NUMBER     how many facts a deployment has
    facts/NUMBER/…    its facts, in pages
    summaries/NUMBER  its summary

A request may be carried out twice (`etcd_gateway.py`), so each change has a condition that its own success
ends, or does the same again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Literal

from rollout.adapters.places.etcd_errors import ALREADY_THERE, Declined
from rollout.adapters.places.etcd_facts import COUNTS, MEMORY, EtcdFacts, numbered, unpack
from rollout.adapters.places.etcd_gateway import Gateway
from rollout.adapters.places.etcd_keys import Entry, Json, Keys
from rollout.adapters.places.etcd_store import Store
from rollout.domain import EtcdAddress, LockHolder, LockRequests, LockState, Publication, Shared
from rollout.errors import FactsMissing, LockLost, PlaceError

_LEASE = 86_400
"""Seconds for which a silent holder is remembered. What is left of its lease tells how long it has been
silent, by the clock of etcd's leader; a new leader lets all leases begin anew."""
_WATCH_AGAIN = 1.0
"""Seconds until a watch that broke is begun again."""
_LOCK, _REQUESTS, _LAST, _EPOCH = "lock", "lock/", "last", "epoch"
_HALT, _PROMOTE = f"{_REQUESTS}halt", f"{_REQUESTS}promote"


class EtcdPlace:
    """Implements `Place` by etcd 3.4 and later. `service` is a name that no other service has there."""

    def __init__(self, address: EtcdAddress, service: str) -> None:
        prefix = f"{address.prefix}/{service}/"
        self._where = f"{prefix.rstrip('/')} in etcd ({', '.join(address.members)})"
        self._etcd = Gateway(address)
        self._keys = Keys(prefix)
        self._store = Store(self._etcd, self._keys)
        self._facts = EtcdFacts(self._store)
        self._promoted = 0
        """The revision of the last request to promote that was returned."""

    @property
    def where(self) -> str:
        return self._where

    async def take(self, holder: LockHolder, *, over: str = "", above: int = 0) -> int | None:
        while True:
            lock, epoch = await self._store.get(_LOCK, _EPOCH)
            held = self._holder(lock)
            if held and held.token == holder.token:  # by an earlier try, of which no answer came
                return epoch.number
            if held and held.token != over:
                return None
            await self._grant(holder)
            taken = max(epoch.number, above) + 1
            changes = [
                self._keys.put(_LOCK, json.dumps(dataclasses.asdict(holder)).encode(), _lease(holder)),
                self._keys.put(_EPOCH, _epoch(taken, holder)),
                *map(self._keys.delete, (_REQUESTS, _LAST)),
            ]
            if await self._store.change(map(self._keys.unchanged, (lock, epoch)), changes):
                return taken

    async def held(self) -> LockState | None:
        return await self._state(*await self._store.get(_LOCK, _EPOCH))

    async def beat(self, holder: LockHolder) -> LockRequests:
        lock, last, halt, promote = await self._store.get(_LOCK, _LAST, _HALT, _PROMOTE)
        self._require(holder, lock, last)
        await self._etcd.ask("lease/keepalive", {"ID": str(_lease(holder))})
        # A request to promote is remembered, not removed: it would get lost with the answer to the removal.
        is_new = promote.revision > self._promoted
        self._promoted = max(self._promoted, promote.revision)
        return LockRequests(halt.value.decode(), promote.value.decode() if is_new else "")

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        lock, asked = await self._store.get(_LOCK, f"{_REQUESTS}{request}")
        if not lock.value:
            return False
        # Nothing is written where somebody else has asked meanwhile, or the holder has gone.
        asking = self._keys.put(asked.name, who.encode())
        await self._store.change(map(self._keys.unchanged, (lock, asked)), [asking])
        return True

    async def drop(self, holder: LockHolder) -> None:
        (lock,) = await self._store.get(_LOCK)
        held = self._holder(lock)
        if held and held.token == holder.token:
            gone = [*map(self._keys.delete, (_LOCK, _REQUESTS)), self._keys.put(_LAST, lock.value)]
            await self._store.change([self._keys.unchanged(lock)], gone)
            with suppress(Declined):  # it has ended
                await self._etcd.ask("lease/revoke", {"ID": str(_lease(holder))})

    async def look(
        self, number: int = 0, known: int = 0, *, latest: int | None = 1, also: Collection[int] = ()
    ) -> Shared:
        *found, counted = await self._store.read(
            *map(self._keys.get, (_LOCK, _EPOCH, MEMORY)), self._keys.get_latest(COUNTS, latest)
        )
        lock, epoch, memory = (each.entries[0] if each.entries else Entry("") for each in found)
        with self._undamaged():
            counts = {numbered(entry): entry.number for entry in reversed(counted.entries)}
            last = max(counts, default=0)
            state, facts, others, summaries = await asyncio.gather(
                self._state(lock, epoch),
                self._facts.read(last, counts.get(last, 0), known if last == number else 0),
                self._facts.counts({*also} - {*counts}),
                self._facts.summaries({*also, *counts}),
            )
            counts = dict(sorted({**others, **counts}.items()))
            return Shared(state, unpack(memory.value), counted.total, counts, summaries, facts)

    async def numbers(self) -> Sequence[int]:
        with self._undamaged():
            return await self._facts.numbers()

    async def facts(self, number: int) -> Sequence[str]:
        with self._undamaged():
            return await self._facts.read(number, await self._facts.count(number))

    async def publish(self, holder: LockHolder, epoch: int, published: Publication) -> None:
        number, have = published.deployment, published.after
        fence = [self._keys.exists(_LOCK), self._keys.equals(_EPOCH, _epoch(epoch, holder))]
        also = [
            *([] if published.memory is None else [self._facts.memory(published.memory)]),
            *([] if published.summary is None else [self._facts.summary(number, published.summary)]),
        ]
        while not await self._facts.add(fence, number, have, published.facts[have - published.after :], also):
            lock, last, now = await self._store.get(_LOCK, _LAST, _EPOCH)
            self._require(holder, lock, last)
            if now.number != epoch:
                raise LockLost(f"the lock in {self.where} is lost: it was taken anew, in epoch {now.number}")
            have = await self._facts.count(number)
            if have < published.after:
                raise FactsMissing(have)

    async def prune(self, holder: LockHolder, numbers: Collection[int]) -> None:
        (lock,) = await self._store.get(_LOCK)
        held = self._holder(lock)
        if held and held.token == holder.token:
            await self._facts.prune([self._keys.unchanged(lock)], numbers)

    async def changes(self, pace: float, *, facts: bool) -> AsyncGenerator[bool, None]:
        span = self._keys.span("") if facts else self._keys.span(_LOCK, _REQUESTS)
        changed = asyncio.Event()
        watching = asyncio.create_task(self._watch(span, changed))
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pace):
                        await changed.wait()
                told = changed.is_set()
                changed.clear()
                yield told
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._etcd.aclose()

    async def _grant(self, holder: LockHolder) -> None:
        """Give the holder's lease, unless an earlier try has."""
        try:
            await self._etcd.ask("lease/grant", {"ID": str(_lease(holder)), "TTL": str(_LEASE)})
        except Declined as declined:
            if declined.code != ALREADY_THERE:
                raise

    async def _watch(self, span: Json, changed: asyncio.Event) -> None:
        """Set `changed` after each change in a span of keys, and whenever one may have been missed."""
        while True:
            try:
                async with aclosing(self._etcd.watch(span)) as changes:
                    async for _ in changes:
                        changed.set()
            except PlaceError:
                changed.set()
                await asyncio.sleep(_WATCH_AGAIN)

    async def _state(self, lock: Entry, epoch: Entry) -> LockState | None:
        holder = self._holder(lock)
        if holder is None:
            return None
        lease = await self._etcd.ask("lease/timetolive", {"ID": str(_lease(holder))})
        left = int(lease.get("TTL", 0))
        if left < 0:  # with its lease, the lock has gone since it was read
            return None
        # etcd cuts off the part of a second: a holder has been silent for at least as long as this says.
        return LockState(holder, float(max(0, _LEASE - left - 1)), epoch.number)

    def _holder(self, lock: Entry) -> LockHolder | None:
        with self._undamaged():
            return LockHolder(**json.loads(lock.value)) if lock.value else None

    def _require(self, holder: LockHolder, lock: Entry, last: Entry) -> None:
        """Raises LockLost if `holder` does not hold the lock, with who has it or had it last."""
        held = self._holder(lock)
        if held is None or held.token != holder.token:
            other = held or self._holder(last)
            who = f"{other} took over" if other and other.token != holder.token else "somebody broke it"
            raise LockLost(f"the lock in {self.where} is lost: {who}")

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """Raises PlaceError for values that rollout has not written."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise PlaceError(
                f"{self.where} holds something else than rollout's state: {error}",
                hint=f"look at it: etcdctl get --prefix {self._keys.prefix}",
            ) from error


def _epoch(number: int, holder: LockHolder) -> bytes:
    """An epoch as it is written: nobody else begins with the same."""
    return f"{number} {holder.token}".encode()


def _lease(holder: LockHolder) -> int:
    """The number of a holder's lease, which anybody knows who has read the lock."""
    return int.from_bytes(hashlib.sha256(holder.token.encode()).digest()[:7], "big") + 1
