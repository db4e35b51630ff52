"""HAProxy's replies as the adapter reads them; a line that was read before is not read again.

Reading is most of what a simulated deployment costs, and from one reply to the next a line or two change.
"""

from __future__ import annotations

import dataclasses
import functools

from rollout.adapters.haproxy.replies import parse_reading
from rollout.domain import Reading
from tests.simulation.replies import STAT_HEADER, STATE_HEADER

_COMMAND = "show info;show servers state;show stat"
_SOME_INFO = "Name: HAProxy\nVersion: 2.6\nPid: 1\nUptime_sec: 1"

_read = functools.lru_cache(maxsize=8192)(parse_reading)


@functools.lru_cache(maxsize=64)
def parse_remembering(load_balancer: str, command: str, reply: str) -> tuple[Reading, dict[str, int]]:
    """In place of `parse_reading`: gives what it gives, and raises what it raises."""
    info, *blocks = reply.strip("\n").split("\n\n")
    states = [line for block in blocks if block.startswith(STATE_HEADER) for line in block.split("\n")[2:]]
    stats = [line for block in blocks if block.startswith(STAT_HEADER) for line in block.split("\n")[1:]]
    if not reply.endswith("\n\n") or len(blocks) != command.count(";") or len(states) != len(stats):
        return parse_reading(load_balancer, command, reply)
    reading, numbers = _one(load_balancer, info, "", "")
    servers, all_numbers = [], dict(numbers)
    for state, stat in zip(states, stats, strict=True):
        of_one, numbers = _one(load_balancer, _SOME_INFO, f"\n{state}", f"\n{stat}")
        servers += of_one.servers
        all_numbers |= numbers
    return dataclasses.replace(reading, servers=tuple(servers)), all_numbers


def _one(load_balancer: str, info: str, state: str, stat: str) -> tuple[Reading, dict[str, int]]:
    """What a reply about one server, or about none, says."""
    return _read(load_balancer, _COMMAND, f"{info}\n\n{STATE_HEADER}{state}\n\n{STAT_HEADER}{stat}\n\n")
