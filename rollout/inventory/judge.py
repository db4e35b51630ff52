"""The section `strategy.judge`: how a release is judged by the answers that users get."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from rollout.inventory.quantities import Duration
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.texts import HttpUrl, Text

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"


def _fraction(value: Any) -> float:
    match = re.fullmatch(_NUMBER + "%", str(value))
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("expected a percentage such as 1% or 0.5%")
    return float(match[1]) / 100


def _times(value: Any) -> float:
    match = re.fullmatch(_NUMBER + "x", str(value))
    if match is None or float(match[1]) <= 1:
        raise ValueError("expected a factor above 1, such as 1.5x")
    return float(match[1])


Fraction = Annotated[
    float, BeforeValidator(_fraction), WithJsonSchema({"type": "string", "pattern": f"^{_NUMBER}%$"})
]
"""A fraction above 0 and up to 1, which an inventory writes as a percentage: `1%` is 0.01."""
Times = Annotated[
    float, BeforeValidator(_times), WithJsonSchema({"type": "string", "pattern": f"^{_NUMBER}x$"})
]
"""A factor above 1, such as `1.5x`."""


class Prometheus(Section):
    """A Prometheus query whose value shows whether the release works."""

    url: HttpUrl = Field(description="The server, such as http://prometheus.example.com:9090")
    query: Text = Field(description="PromQL with one value; {host}, {node} and {release} are filled in")
    max: float = Field(description="The largest value with which a node passes")


class Judge(Section):
    """How a node that bakes is compared with the others, by HAProxy's counters."""

    errors: Fraction | None = Field(
        default=None, description="Percentage of errors above which a release is bad in any case, such as 1%"
    )
    slower: Times = Field(default=2.0, description="How many times slower than the others is too slow")
    min_requests: int = Field(
        default=100, ge=1, description="How many requests a node must get before it can be judged"
    )
    wait: Duration | None = Field(
        default=None, description="How much longer to wait for that many requests; by default as long as bake"
    )
    undecided: Literal["go-on", "ask"] = Field(
        default="go-on",
        description="What to do if there are still too few requests: go-on continues with a warning, ask "
        "waits for `rollout promote`",
    )
    prometheus: Prometheus | None = Field(
        default=None, description="A Prometheus query that a node must pass, too"
    )
    command: Text | None = Field(
        default=None, description="A shell line, run here after each node's bake, that must succeed, too"
    )


JudgeSetting = Annotated[
    Annotated[Literal["off"], Tag(SCALAR)] | Annotated[Judge, Tag(SETTINGS)],
    Discriminator(kind),
]
