"""The section of an HTTP request to a node, which stands in several others."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rollout.inventory.section import Section
from rollout.inventory.texts import HttpUrl


class Request(Section):
    """An HTTP request to the node. {host}, {node} and {release} are filled in."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="POST", description="The HTTP method"
    )
    url: HttpUrl = Field(description="The URL, such as http://{host}:8000/_drain")
