"""The section `probe`: requests to the service's public address while it is deployed."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Timeout
from rollout.inventory.section import Section
from rollout.inventory.texts import PublicUrl


class PublicProbe(Section):
    """A probe that asks the service's public address from here, throughout a deployment."""

    url: PublicUrl = Field(description="The address, such as https://shop.example.com/")
    every: Timeout = Field(default=0.1, description="Time from one request to the next")
    timeout: Timeout = Field(default=5.0, description="How long an answer may take")
    max_failures: int = Field(
        default=10,
        ge=0,
        description="How many failed probes (no answer, or a 5xx) are tolerated; one more halts",
    )
