"""How a release is judged by what users get, as an inventory says it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from rollout.inventory.quantities import Duration
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.texts import HttpUrl, Text

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"


def _share(value: Any) -> float:
    match = re.fullmatch(_NUMBER + "%", str(value))
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("expected a share such as 1% or 0.5%")
    return float(match[1]) / 100


def _times(value: Any) -> float:
    match = re.fullmatch(_NUMBER + "x", str(value))
    if match is None or float(match[1]) <= 1:
        raise ValueError("expected how many times slower, such as 1.5x")
    return float(match[1])


Fraction = Annotated[
    float, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": f"^{_NUMBER}%$"})
]
"""From 0 to 1."""
Times = Annotated[
    float, BeforeValidator(_times), WithJsonSchema({"type": "string", "pattern": f"^{_NUMBER}x$"})
]


class Prometheus(Section):
    """A query whose value says how well the release does."""

    url: HttpUrl = Field(description="The server, such as http://prometheus.example.com:9090")
    query: Text = Field(description="PromQL with one value; {host}, {node} and {release} are filled in")
    max: float = Field(description="The largest value that is well")


class Judge(Section):
    """A node that takes traffic again is compared with the others, by what HAProxy counts, while it bakes."""

    errors: Fraction | None = Field(
        default=None, description="A share of errors that is too much in any case, such as 1%"
    )
    slower: Times = Field(default=2.0, description="How many times slower than the others is too slow")
    min_requests: int = Field(
        default=100, ge=1, description="How many requests of a node it takes to judge it"
    )
    wait: Duration | None = Field(
        default=None, description="How much longer to wait for so many requests; by default as long as bake"
    )
    undecided: Literal["go-on", "ask"] = Field(
        default="go-on",
        description="What if there are still too few: go on with a warning, or ask, until `rollout promote`",
    )
    prometheus: Prometheus | None = Field(default=None, description="A query that must be well, too")
    command: Text | None = Field(
        default=None, description="A shell line, run here after each node's bake, that must end well, too"
    )


JudgeSetting = Annotated[
    Annotated[Literal["off"], Tag(SCALAR)] | Annotated[Judge, Tag(SETTINGS)],
    Discriminator(kind),
]
