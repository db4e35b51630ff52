"""Sections: what all mappings of an inventory have in common."""

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


SCALAR, MAPPING = TAGS = ("(scalar)", "(mapping)")
"""The two forms of a value that may be a scalar or a mapping, as pydantic's locations name them."""


def form(value: Any) -> str:
    """The form of `value`: `SCALAR` or `MAPPING`."""
    return SCALAR if isinstance(value, str) else MAPPING
