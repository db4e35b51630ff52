"""The answers that users got during a deployment, and who failed them. Counters in, events out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.decisions.counter_totals import Backend
from rollout.domain import Counters, Server
from rollout.events import Event, Served, UsersSaw

RELEASE_BEFORE = "the release before"
"""Stands for the release of a node whose release nobody knows."""

OTHER_SERVERS = "other servers"
"""Stands for the release of servers that are no node of the service, in a backend that it uses."""


@dataclass(frozen=True, slots=True)
class Share:
    """The answers of one server while it ran one release."""

    release: str
    server: Server
    counters: Counters


def users_saw(backends: Mapping[Backend, Counters], shares: Sequence[Share]) -> Iterator[Event]:
    """The events that say what users got from `backends`, to whose servers all `shares` belong.

    A request that HAProxy tried again, or answered in place of the server, may be in a share although no user
    saw it fail. So the servers of a backend answer for no more errors than users got from it, those with the
    most errors first.
    """
    requests, errors = Counter[str](), Counter[str]()
    for share in shares:
        requests[share.release] += share.counters.asked
    unexplained = {backend: counters.failed for backend, counters in backends.items()}
    for share in sorted(shares, key=lambda share: -share.counters.failed):
        backend = share.server.load_balancer, share.server.backend
        seen = min(share.counters.failed, unexplained[backend])
        unexplained[backend] -= seen
        errors[share.release] += seen
    yield from (Served(release, asked, errors[release]) for release, asked in requests.items() if asked)
    if asked := sum(counters.asked for counters in backends.values()):
        by_haproxy = sum(unexplained.values())
        yield UsersSaw(asked, errors.total() + by_haproxy, by_haproxy)
