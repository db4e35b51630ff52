"""Loading an inventory: from a file to typed values, or to all of its mistakes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from rollout.errors import UsageError
from rollout.inventory.document import Document
from rollout.inventory.explain import explain
from rollout.inventory.installed import installed, installed_names, inventory_with
from rollout.inventory.mistakes import InventoryError, KeyPath
from rollout.inventory.model import Inventory
from rollout.inventory.restart import Restart
from rollout.inventory.rules import broken_rules, restart_paths


def load(path: Path, environment: Mapping[str, str]) -> Inventory:
    """The inventory in `path`, with each `${NAME}` taken from `environment`.

    Raises InventoryError with all mistakes of the file.
    """
    with _nothing_collected():
        return _load(path, environment)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep Python from looking for garbage: with thousands of nodes, that is half of the time, and finds
    none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _load(path: Path, environment: Mapping[str, str]) -> Inventory:
    document = Document(path, environment)
    mistakes = list(document.mistakes)
    meant: set[KeyPath] = set()
    model = _model(document)
    try:
        inventory = model.model_validate(document.data)
    except ValidationError as error:
        explained, meant = explain(document, error, model)
        mistakes += explained
    mistakes += broken_rules(document, meant, model.restart_section)
    if mistakes:
        raise InventoryError(mistakes)
    inventory._path = path
    inventory._variables = document.variables.used
    return inventory


def _model(document: Document) -> type[Inventory]:
    """The inventory with those drivers of other packages that the document names. Raises InventoryError."""
    given = [(*path, key) for path in restart_paths(document) for key in document.at(path)]
    unknown = [path for path in given if path[-1] not in Restart.model_fields]
    if not unknown:
        return Inventory
    others = installed_names()
    named = [path for path in unknown if path[-1] in others]
    for path in named:
        try:
            installed(str(path[-1]))
        except UsageError as error:
            raise InventoryError([document.mistake(path, str(error), document.keys[path])]) from error
    return inventory_with({str(path[-1]) for path in named})
