"""Durations, percentages, rates and amounts, as an inventory writes them."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(kB|MB|GB)/s")
_BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
_COUNT = re.compile(r"[0-9]{1,9}")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")


def parse_duration(value: Any) -> float:
    """Seconds in a duration such as `30s`, `500ms`, `2m`, `1h` or a bare `0`. Raises ValueError."""
    text = str(value)
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("expected a duration such as 30s, 500ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("expected a duration above zero, such as 30s, 500ms or 2m")
    return value


def format_duration(seconds: float) -> str:
    """A duration as an inventory writes it: `30s`, `500ms`, `2m`."""
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    return f"{seconds / 60:g}m" if seconds and seconds % 60 == 0 else f"{seconds:g}s"


_WITH_UNIT = {
    "type": "string",
    "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h)$",
    "examples": ["30s", "500ms"],
}

Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"anyOf": [_WITH_UNIT, {"enum": [0, "0"]}]})
]
"""Seconds, zero or more."""

Timeout = Annotated[
    float, BeforeValidator(lambda value: _positive(parse_duration(value))), WithJsonSchema(_WITH_UNIT)
]
"""Seconds, above zero."""


def parse_percent(value: Any) -> float:
    """Percent, above 0 and up to 100, in a text such as `10%`. Raises ValueError."""
    match = _PERCENT.fullmatch(str(value))
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("expected a percentage up to 100%, such as 25%")
    return float(match[1])


Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    WithJsonSchema({"type": "string", "pattern": r"^([0-9]{1,2}(\.[0-9]{1,3})?|100(\.0+)?)%$"}),
]
"""Percent, above 0 and up to 100: `10%` is 10.0."""


def parse_rate(value: Any) -> float:
    """Bytes a second, above zero, in a rate such as `20MB/s` or `500kB/s`. Raises ValueError."""
    match = _RATE.fullmatch(str(value))
    if match is None or not float(match[1]):
        raise ValueError("expected a rate such as 20MB/s or 500kB/s")
    return float(match[1]) * _BYTES[match[2]]


def format_bytes(number: float) -> str:
    """A number of bytes as people read it: `12 MB`, `1.5 GB`, `300 kB`, `20 B`."""
    unit = next((unit for unit in ("GB", "MB", "kB") if number >= _BYTES[unit]), None)
    return f"{number / _BYTES[unit]:.4g} {unit}" if unit else f"{number:g} B"


Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(kB|MB|GB)/s$",
            "examples": ["20MB/s", "500kB/s"],
        }
    ),
]
"""Bytes a second."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of nodes or servers: exactly one of a count and a percentage of all."""

    count: int | None = None
    """At least 1."""
    percent: float | None = None
    """Above 0 and up to 100."""

    def of(self, total: int) -> int:
        """The number among `total`, as a limit: a percentage is rounded down, but is at least one."""
        return max(1, math.floor(self._exactly(total)))

    def as_minimum(self, total: int) -> int:
        """The number among `total`, as a minimum: a percentage is rounded up."""
        return math.ceil(self._exactly(total))

    def _exactly(self, total: int) -> float:
        if self.count is not None:
            return self.count
        assert self.percent is not None  # noqa: S101 - one of the two is always set
        return round(total * self.percent / 100, 6)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.percent:g}%"

    @classmethod
    def parse(cls, value: Any) -> Amount:
        """The amount in a text such as `3` or `25%`. Raises ValueError."""
        text = str(value)
        if _COUNT.fullmatch(text) and int(text) >= 1:
            return cls(count=int(text))
        percent = _PERCENT.fullmatch(text)
        if percent and 0 < float(percent[1]) <= 100:
            return cls(percent=float(percent[1]))
        raise ValueError("expected a count of at least 1, such as 2, or a percentage up to 100%, such as 25%")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(value)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^([1-9][0-9]{0,8}|[0-9]{1,2}(\.[0-9]{1,3})?%|100%)$"},
            ],
            "examples": [1, "25%"],
        }


AmountOrNone = Annotated[
    Amount | None, BeforeValidator(lambda value: None if str(value) == "0" else Amount.parse(value))
]
"""An amount; `None` for 0."""


def _growing(amounts: tuple[Amount, ...]) -> tuple[Amount, ...]:
    for one, next_one in itertools.pairwise(amounts):
        if (one.count is None) != (next_one.count is None):
            continue
        if (one.count or one.percent or 0) >= (next_one.count or next_one.percent or 0):
            raise ValueError(f"expected each to be more than the one before, but {next_one} follows {one}")
    return amounts


Waves = Annotated[tuple[Amount, ...], AfterValidator(_growing)]
"""Amounts that are done in all after each wave; counts rise, and so do percentages."""
