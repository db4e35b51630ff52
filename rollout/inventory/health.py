"""The section `health`: how a node proves that it is healthy."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Timeout
from rollout.inventory.section import Section, exactly_one
from rollout.inventory.texts import HttpUrl, Text, Word


class ReportedRelease(Section):
    """Where the health page reports its release: exactly one of json and header."""

    model_config = exactly_one("json", "header")

    json_key: Text | None = Field(
        default=None, alias="json", description="A key of its JSON, such as version or app.version"
    )
    header: Word | None = Field(default=None, description="The name of a header, such as X-Release")


class Health(Section):
    """How a node proves that it is healthy."""

    http: HttpUrl = Field(
        description="The node's own health page; {host}, {node} and {release} are filled in"
    )
    ca: Text | None = Field(
        default=None,
        description="A PEM file here of certificate authorities that https pages may be signed by, such as "
        "your company's; a relative path begins at the inventory's folder",
    )
    interval: Timeout = Field(
        default=0.25, description="Time from one request to the next; during a bake at least 250ms"
    )
    timeout: Timeout = Field(default=60.0, description="How long a node may take to become healthy")
    successes: int = Field(default=2, ge=1, description="How many right answers in a row are needed")
    status: int = Field(default=200, ge=100, le=599, description="The HTTP status of a right answer")
    body: Text | None = Field(default=None, description="A text that the answer must contain")
    release: ReportedRelease | None = Field(
        default=None, description="Where the page reports its release, which must be the new one"
    )
