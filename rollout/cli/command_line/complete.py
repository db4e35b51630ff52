"""Completion: a shell asks this program what may come next, by way of argcomplete."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator

import argcomplete
from argcomplete.completers import FilesCompleter

from rollout.cli.command_line.known import deployments, releases
from rollout.cli.command_line.parser import VERBS, make_parser
from rollout.cli.command_line.surroundings import inventories, inventory_path, service_and_nodes
from rollout.cli.command_line.table import subparsers


def complete() -> None:
    """Print what may come next on the line that the shell hands over, and end the process."""
    parser = make_parser(*VERBS)
    for verb in subparsers(parser).values():
        for action in verb._actions:
            if find := _FINDERS.get(action.dest):
                action.completer = _completer(find)  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options="long")


def _nodes(path: str) -> Iterable[str]:
    return service_and_nodes(path)[1]


def _inventories(path: str) -> Iterable[str]:
    return inventories()


def _releases(path: str) -> Iterable[str]:
    return releases(service_and_nodes(path)[0])


def _deployments(path: str) -> Iterable[str]:
    return map(str, deployments(service_and_nodes(path)[0]))


_FINDERS: dict[str, Callable[[str], Iterable[str]]] = {
    "inventory": _inventories,
    "limit": _nodes,
    "nodes": _nodes,
    "release": _releases,
    "to": _releases,
    "printed": _deployments,
    "deployment": _deployments,
    "node": _nodes,
    "output_of": _nodes,
}
"""What finds the values of an option or argument, by its name; each gets the inventory's path."""


def _completer(find: Callable[[str], Iterable[str]]) -> Callable[..., Iterator[str]]:
    def complete_one(prefix: str, parsed_args: argparse.Namespace, **_: object) -> Iterator[str]:
        values = find(inventory_path(getattr(parsed_args, "inventory", None)))
        before, comma, begun = prefix.rpartition(",")
        if comma:  # one more of several names
            given = before.split(",")
            return (f"{before},{value}" for value in values if value.startswith(begun) and value not in given)
        files = _files(prefix) if find is _inventories else ()
        return (value for value in (*values, *files) if value.startswith(prefix))

    return complete_one


def _files(prefix: str) -> Iterable[str]:
    """Folders, and files that may be inventories."""
    return FilesCompleter(("yml", "yaml"))(prefix) if os.sep in prefix else ()
