"""The inventories and nodes around a command line, read at once and not validated."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from rollout.cli.command_line.options import DEFAULT_INVENTORY

_SUFFIXES = (".yml", ".yaml")
_FOLDERS = (".", "inventories")


def is_inventory(word: str) -> bool:
    """Whether a word names a file that may be an inventory."""
    return word.endswith(_SUFFIXES) or ("/" in word and os.path.isfile(word))


def inventories() -> list[str]:
    """The inventories that lie here or in `inventories/`, by path."""
    found: list[str] = []
    for folder in _FOLDERS:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            continue
        paths = (os.path.normpath(os.path.join(folder, entry)) for entry in entries)
        found += [path for path in paths if path.endswith(_SUFFIXES) and _names_nodes(path)]
    return found


def inventory_path(given: str | None) -> str:
    """The path of the inventory, which may not be there: the one that is `given`, or the usual one."""
    return given or os.environ.get("ROLLOUT_INVENTORY") or DEFAULT_INVENTORY


def service_and_nodes(path: str) -> tuple[str, Sequence[str]]:
    """The service and the nodes of an inventory; empty where it cannot be read."""
    document = _document(path)
    nodes = document.get("nodes")
    return str(document.get("service", "")), [str(name) for name in nodes] if isinstance(nodes, dict) else []


def _names_nodes(path: str) -> bool:
    return bool(service_and_nodes(path)[1])


@functools.cache
def _document(path: str) -> dict[str, object]:
    import yaml  # only where somebody mistypes, or a shell completes

    try:
        document = yaml.load(Path(path).read_text(encoding="utf-8"), _loader())  # noqa: S506 - a safe one
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _loader() -> type:
    """PyYAML's safe loader, the one in C where there is one."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
