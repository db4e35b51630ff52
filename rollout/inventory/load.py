"""Loading an inventory: from a file to typed values, or to all of its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from rollout.inventory.document import Document
from rollout.inventory.explain import explain
from rollout.inventory.mistakes import InventoryError, KeyPath
from rollout.inventory.model import Inventory
from rollout.inventory.rules import broken_rules


def load(path: Path, environment: Mapping[str, str]) -> Inventory:
    """The inventory in `path`, with each `${NAME}` taken from `environment`.

    Raises InventoryError with all mistakes of the file.
    """
    document = Document(path, environment)
    mistakes = list(document.mistakes)
    meant: set[KeyPath] = set()
    try:
        inventory = Inventory.model_validate(document.data)
    except ValidationError as error:
        explained, meant = explain(document, error)
        mistakes += explained
    mistakes += broken_rules(document, meant)
    if mistakes:
        raise InventoryError(mistakes)
    inventory._path = path
    inventory._variables = document.variables.used
    return inventory
