"""What a mapping of the inventory is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the inventory: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def exactly_one(*keys: str) -> ConfigDict:
    """What JSON Schema says of it; `rules.py` is what holds an inventory to it."""
    return ConfigDict(json_schema_extra={"oneOf": _given(keys)})


def at_least_one(*keys: str) -> ConfigDict:
    """The same for keys that may stand beside each other."""
    return ConfigDict(json_schema_extra={"anyOf": _given(keys)})


def _given(keys: Sequence[str]) -> Any:
    return [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys]


SCALAR, SETTINGS = TAGS = ("(word)", "(settings)")
"""The kinds of a value that is a word or a mapping, as they stand in pydantic's locations."""


def kind(value: Any) -> str:
    return SCALAR if isinstance(value, str) else SETTINGS
