"""The section `strategy.judge`: how a release is judged by the answers that users get."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from rollout.inventory.quantities import Duration, Timeout
from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.template import known_placeholders
from rollout.inventory.texts import PublicUrl, Text

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


def _query(value: str) -> str:
    known_placeholders(value.replace("{{", "{").replace("}}", "}"))  # PromQL has braces of its own
    return value


Query = Annotated[Text, AfterValidator(_query)]


class Prometheus(Section):
    """A Prometheus query whose value shows whether the release works."""

    url: PublicUrl = Field(description="The server, such as http://prometheus.example.com:9090")
    query: Query = Field(description="PromQL with one value; {host}, {node} and {release} are filled in")
    max: float = Field(allow_inf_nan=False, description="The largest value with which a node passes")
    every: Timeout | None = Field(
        default=None,
        description="Time from one query to the next while a node bakes; by default 10s, or a third of a "
        "bake that is shorter than 30s",
    )
    bad: int = Field(
        default=3, ge=1, description="How many values above max in a row make the release a bad one"
    )
    shadow: bool = Field(default=False, description="true shows the verdict, and decides nothing by it")


class JudgeCommand(Section):
    """A shell line, run on the machine that deploys, whose exit status shows whether the release works."""

    command: Text = Field(
        description="The shell line. Exit status 0 is good, 1 to 125 are bad, and all others (and 75) are no "
        "answer"
    )
    timeout: Timeout = Field(default=300.0, description="How long it may take; longer is no answer")
    every: Timeout | None = Field(
        default=None,
        description="Time from one run to the next while a node bakes; by default it is run when the bake is "
        "over",
    )
    bad: int = Field(default=1, ge=1, description="How many bad runs in a row make the release a bad one")
    shadow: bool = Field(default=False, description="true shows the verdict, and decides nothing by it")


JudgeCommandSetting = Annotated[
    Annotated[Text, Tag(SCALAR)] | Annotated[JudgeCommand, Tag(SETTINGS)], Discriminator(kind)
]


class Judge(Section):
    """How a node that bakes is compared with the others, by HAProxy's counters."""

    errors: Fraction | None = Field(
        default=None, description="Percentage of errors above which a release is bad in any case, such as 1%"
    )
    slower: Times = Field(
        default=2.0,
        description="How many times slower than the others is too slow, on average and for the slowest",
    )
    min_requests: int = Field(
        default=100, ge=1, description="How many requests a node must get before it can be judged"
    )
    wait: Duration | None = Field(
        default=None, description="How much longer to wait for that many requests; by default as long as bake"
    )
    undecided: Literal["go-on", "ask"] | None = Field(
        default=None,
        description="What to do if there are still too few requests, or if prometheus or command give no "
        "answer: go-on continues with a warning, ask waits for `rollout promote`. By default, too few "
        "requests are a warning, and no answer halts the deployment",
    )
    prometheus: Prometheus | None = Field(
        default=None, description="A Prometheus query that a node must pass, too"
    )
    command: JudgeCommandSetting | None = Field(
        default=None, description="A shell line, run here after each node's bake, that must succeed, too"
    )


JudgeSetting = Annotated[
    Annotated[Literal["off"], Tag(SCALAR)] | Annotated[Judge, Tag(SETTINGS)],
    Discriminator(kind),
]
