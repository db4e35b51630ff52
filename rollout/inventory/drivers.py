"""The restart drivers, as an inventory names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from rollout.inventory.quantities import Timeout
from rollout.inventory.request import Request
from rollout.inventory.section import SETTINGS, WORD, Section, exactly_one, kind
from rollout.inventory.texts import Text, Word

DRIVERS = (
    "command",
    "http",
    "systemd",
)
"""The keys of `restart:` of which there is exactly one."""

WITH_A_GAP = (
    "command",
    "systemd",
)
"""Drivers during whose restart nobody may answer: the node must have left its load balancers."""


class Restart(Section):
    """How the service is restarted, by exactly one driver."""

    model_config = exactly_one(*DRIVERS)

    command: Text | None = Field(default=None, description="A shell line that ends when the restart is done")
    http: Request | None = Field(
        default=None, description="A request that has the application load anew what it serves"
    )
    systemd: Word | None = Field(default=None, description="A unit, such as shop.service")
    timeout: Timeout = Field(default=120.0, description="How long it may take")

    @property
    def driver(self) -> tuple[str, Any]:
        """The name of the one that is given, and its settings."""
        return next((name, value) for name in DRIVERS if (value := getattr(self, name)) is not None)


RestartSetting = Annotated[
    Annotated[Literal["none"], Tag(WORD)] | Annotated[Restart, Tag(SETTINGS)],
    Discriminator(kind),
]
