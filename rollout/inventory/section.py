"""Sections: the common base of all mappings of an inventory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the inventory: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def exactly_one(*keys: str) -> ConfigDict:
    """Settings of a section with exactly one of `keys`, for JSON Schema. `rules.py` checks the inventory."""
    return ConfigDict(json_schema_extra={"oneOf": _given(keys)})


def at_least_one(*keys: str) -> ConfigDict:
    """Settings of a section with at least one of `keys`, for JSON Schema."""
    return ConfigDict(json_schema_extra={"anyOf": _given(keys)})


def _given(keys: Sequence[str]) -> Any:
    return [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys]


SCALAR, SETTINGS, LIST = TAGS = ("(scalar)", "(settings)", "(list)")
"""The kinds of a value that may be of more than one, as pydantic's locations name them."""


def kind(value: Any) -> str:
    """The kind of `value`, which may be a scalar or settings: `SCALAR` or `SETTINGS`."""
    return SCALAR if isinstance(value, str) else SETTINGS


def kind_or_list(value: Any) -> str:
    """The kind of `value`, which may be a list, too."""
    return LIST if isinstance(value, list) else kind(value)
