"""The probe of the service's public address, as an inventory says it."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Timeout
from rollout.inventory.section import Section
from rollout.inventory.texts import HttpUrl


class PublicProbe(Section):
    """The service's public address is asked from here, all through a deployment."""

    url: HttpUrl = Field(description="Such as https://shop.example.com/")
    every: Timeout = Field(default=0.1, description="Between the beginnings of two questions")
    timeout: Timeout = Field(default=5.0, description="How long an answer may take")
    max_failures: int = Field(
        default=10, ge=0, description="More failures than that (no answer, or a 5xx) halt the deployment"
    )
