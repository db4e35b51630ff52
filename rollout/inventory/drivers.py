"""The restart drivers, as an inventory names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from rollout.inventory.quantities import Timeout
from rollout.inventory.request import Request
from rollout.inventory.section import SETTINGS, WORD, Section, exactly_one, kind
from rollout.inventory.texts import AbsolutePath, Text, Word

DRIVERS = (
    "command",
    "http",
    "signal",
    "systemd",
    "uwsgi",
)
"""The keys of `restart:` of which there is exactly one."""

WITH_A_GAP = (
    "command",
    "systemd",
)
"""Drivers during whose restart nobody may answer: the node must have left its load balancers."""


class Signal(Section):
    """A signal to the process that a pidfile names, and what proves that it was heeded."""

    pidfile: AbsolutePath = Field(description="Where the application's first process writes its id")
    signal: Literal["HUP", "USR1", "USR2", "WINCH", "INT", "TERM", "QUIT"] = Field(
        default="HUP", description="The signal"
    )
    proof: Literal["new-pid", "new-children", "health"] = Field(
        description="new-pid: the pidfile names another process, and the old one is gone; new-children: as "
        "many other children have come as it had, and none of those is left; health: the health page tells"
    )


class Uwsgi(Section):
    """A uWSGI that is reloaded by its master FIFO."""

    fifo: AbsolutePath = Field(description="`master-fifo` in uWSGI's settings; with refork, the second one")
    mode: Literal["chain", "refork", "reload"] = Field(
        description="chain: worker after worker; refork: a new master beside the old one; reload: all at once"
    )


class Restart(Section):
    """How the service is restarted, by exactly one driver."""

    model_config = exactly_one(*DRIVERS)

    command: Text | None = Field(default=None, description="A shell line that ends when the restart is done")
    http: Request | None = Field(
        default=None, description="A request that has the application load anew what it serves"
    )
    signal: Signal | None = Field(default=None, description="A signal to the process that a pidfile names")
    systemd: Word | None = Field(default=None, description="A unit, such as shop.service")
    uwsgi: Uwsgi | None = Field(default=None, description="A uWSGI that is reloaded by its master FIFO")
    timeout: Timeout = Field(default=120.0, description="How long it may take")

    @property
    def driver(self) -> tuple[str, Any]:
        """The name of the one that is given, and its settings."""
        return next((name, value) for name in DRIVERS if (value := getattr(self, name)) is not None)


RestartSetting = Annotated[
    Annotated[Literal["none"], Tag(WORD)] | Annotated[Restart, Tag(SETTINGS)],
    Discriminator(kind),
]
