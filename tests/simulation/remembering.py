"""HAProxy's replies as the adapter reads them; a line that was read before is not read again.

Reading is most of what a simulated deployment costs, and from one reply to the next a line or two change.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

from rollout.adapters.haproxy.replies import parse_reading
from rollout.domain import Reading
from tests.simulation.replies import INFO, STAT_HEADER, STATE_HEADER

_COMMAND = "show info;show servers state;show stat"

_FIELDS = [field.name for field in dataclasses.fields(Reading)]

_read = functools.lru_cache(maxsize=8192)(parse_reading)


@functools.lru_cache(maxsize=64)
def parse_remembering(load_balancer: str, command: str, reply: str) -> tuple[Reading, dict[str, int]]:
    """In place of `parse_reading`: gives what it gives, and raises what it raises."""
    info, *blocks = reply.strip("\n").split("\n\n")
    if not reply.endswith("\n\n") or len(blocks) != command.count(";"):
        return parse_reading(load_balancer, command, reply)
    states = [line for block in blocks if block.startswith(STATE_HEADER) for line in block.split("\n")[2:]]
    stats = [line for block in blocks if block.startswith(STAT_HEADER) for line in block.split("\n")[1:]]
    of_servers = [line.split(",", 2)[1] != "BACKEND" for line in stats]
    if len(states) != sum(of_servers):
        return parse_reading(load_balancer, command, reply)
    reading, numbers = _one(load_balancer, info, "", "")
    rest = iter(states)
    parts = [
        _one(load_balancer, INFO, f"\n{next(rest)}" if of_server else "", f"\n{stat}")
        for stat, of_server in zip(stats, of_servers, strict=True)
    ]
    for _, number in parts:
        numbers = numbers | number
    return dataclasses.replace(reading, **_merged([reading, *(part for part, _ in parts)])), numbers


def _merged(parts: list[Reading]) -> dict[str, Any]:
    """What a reading has several of, of all parts."""
    first = parts[0]
    merged: dict[str, Any] = {}
    for name in _FIELDS:
        values = [getattr(part, name) for part in parts]
        if isinstance(getattr(first, name), tuple):
            merged[name] = tuple(itertools.chain.from_iterable(values))
        elif isinstance(getattr(first, name), dict):
            merged[name] = {key: value for part in values for key, value in part.items()}
    return merged


def _one(load_balancer: str, info: str, state: str, stat: str) -> tuple[Reading, dict[str, int]]:
    """What a reply about one server, one backend, or nothing says."""
    return _read(load_balancer, _COMMAND, f"{info}\n\n{STATE_HEADER}{state}\n\n{STAT_HEADER}{stat}\n\n")
