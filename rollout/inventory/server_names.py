"""The key `server` of a node: HAProxy's name for it, on all load balancers or on each."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from rollout.inventory.document import Document
from rollout.inventory.mistakes import KeyPath, Mistake, nearest, quoted
from rollout.inventory.section import SCALAR, SETTINGS, kind
from rollout.inventory.texts import Name, Word

_EachName = Annotated[dict[Name, Word], Field(min_length=1)]
ServerNames = Annotated[
    Annotated[Word, Tag(SCALAR)] | Annotated[_EachName, Tag(SETTINGS)], Discriminator(kind)
]


def mistaken_servers(document: Document, meant: Collection[KeyPath]) -> Iterator[Mistake]:
    """A mistake for each load balancer that is not listed, and for each server that is given to two nodes.

    Two nodes that are one server would be drained together, but count as two.
    """
    balancers = _mapping(document.at(("load_balancers",)))
    nodes = _mapping(document.at(("nodes",)))
    names = {node: _mapping(settings).get("server") for node, settings in nodes.items()}
    for node, given in names.items():
        if isinstance(given, dict) and ("load_balancers",) not in meant:
            yield from _unknown(document, node, given, list(balancers))
    taken: dict[tuple[str, str], str] = {}
    told: set[tuple[str, str]] = set()
    # Without a load balancer, the names of all of them still must differ.
    for balancer in balancers or ("",):
        for node, given in names.items():
            name, path = _name_on(balancer, node, given)
            first = taken.setdefault((balancer, name), node)
            if first != node and (first, node) not in told:
                told.add((first, node))
                at: KeyPath = path if path in document.keys else ("nodes", node)
                where = f" on {balancer}" if dict in map(type, (given, names[first])) else ""
                yield document.mistake(at, f"the same server{where} as node {quoted(first)}")


def _unknown(document: Document, node: str, given: dict[str, Any], balancers: list[str]) -> Iterator[Mistake]:
    for name in given:
        if name not in balancers:
            near = nearest(name, balancers)
            expected = f"did you mean {near}?" if near else f"expected {' or '.join(balancers) or 'none'}"
            path: KeyPath = ("nodes", node, "server", name)
            yield document.mistake(path, f"no such load balancer; {expected}", document.keys[path])


def _name_on(balancer: str, node: str, given: Any) -> tuple[str, KeyPath]:
    """HAProxy's name for a node on a load balancer, and where the inventory gives it."""
    path: KeyPath = ("nodes", node, "server")
    if isinstance(given, dict):
        return str(given.get(balancer) or node), (*path, balancer)
    return str(given or node), path


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping; empty for any other shape, which is a mistake that has been found elsewhere."""
    return value if isinstance(value, dict) else {}
