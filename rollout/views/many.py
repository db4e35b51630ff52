"""What holds for many servers, said once: a node may be in hundreds of backends."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from rollout.domain import Server

FEW = 8
"""Servers that are shown one by one. Of more that are alike, the first and the last one are named."""
_COMMAND = re.compile(r"(.*\bserver )(\S+/\S+)(.*)")

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def folded(items: Iterable[tuple[K, T]]) -> Iterator[tuple[K, list[T]]]:
    """The items in order, each alone with its key, but more than `FEW` with the same key together."""
    items = list(items)
    groups: dict[K, list[T]] = {}
    for key, item in items:
        groups.setdefault(key, []).append(item)
    for key, item in items:
        if key in groups:
            yield key, [item] if len(groups[key]) <= FEW else groups.pop(key)


def servers(named: Iterable[Server]) -> str:
    """`shop/web1 on lb1, api/web1 on lb1`, or `500 servers on lb1 (b1/web1 … b500/web1)`."""
    return ", ".join(
        f"{span(own)} on {balancer}"
        for balancer, own in folded((server.load_balancer, server) for server in named)
    )


def span(own: Sequence[Server]) -> str:
    """`shop/web1`, or `500 servers (b1/web1 … b500/web1)`: what `folded` gives of one load balancer."""
    return own[0].path if len(own) == 1 else f"{len(own)} servers ({own[0].path} … {own[-1].path})"


def commands(line: str) -> str:
    """A line that was sent. Where many servers get the same runtime commands, those for the first one stand
    for all: `set server b1/web1 state drain; … the same for 499 more servers, to b500/web1`."""
    of_servers: dict[str, list[tuple[str, str]]] = {}
    for command in line.split("; "):
        parts = _COMMAND.fullmatch(command)
        if parts is None:
            return line
        of_servers.setdefault(parts[2], []).append((parts[1], parts[3]))
    kinds = [*folded((tuple(own), path) for path, own in of_servers.items())]
    if len(kinds) == len(of_servers):
        return line
    return "; ".join(part for own, paths in kinds for part in _shown(own, paths))


def _shown(own: Sequence[tuple[str, str]], paths: Sequence[str]) -> Iterator[str]:
    """The commands for the first of the servers that get the same, and how many others do."""
    yield from (f"{before}{paths[0]}{after}" for before, after in own)
    if len(paths) > 1:
        yield f"… the same for {len(paths) - 1} more servers, to {paths[-1]}"
