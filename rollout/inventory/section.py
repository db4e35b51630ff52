"""What a mapping of the inventory is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the inventory: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def exactly_one(*keys: str) -> ConfigDict:
    """What JSON Schema says of it; `rules.py` is what holds an inventory to it."""
    given: Any = [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys]
    return ConfigDict(json_schema_extra={"oneOf": given})


WORD, SETTINGS = TAGS = ("(word)", "(settings)")
"""The kinds of a value that is a word or a mapping, as they stand in pydantic's locations."""


def kind(value: Any) -> str:
    return WORD if isinstance(value, str) else SETTINGS
