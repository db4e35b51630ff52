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
    "docker",
    "http",
    "processes",
    "signal",
    "supervisor",
    "systemd",
)
"""The keys of `restart:` of which there is exactly one."""

WITH_A_GAP = (
    "command",
    "docker",
    "supervisor",
    "systemd",
)
"""Drivers during whose restart nobody may answer: the node must have left its load balancers."""


class Docker(Section):
    """One container, replaced by one of another image with the same configuration."""

    container: Word = Field(description="Its name")
    image: Word = Field(
        description="The image of the new one, such as shop:$ROLLOUT_RELEASE; a rolling restart keeps the old"
    )


class Processes(Section):
    """Workers that a supervisor replaces on a signal, and each of which shows that it works."""

    pidfile: AbsolutePath = Field(description="Where the supervisor writes its id")
    signal: Literal["HUP", "USR1", "USR2"] = Field(
        default="HUP", description="What has it replace its workers, new ones first"
    )
    beats: AbsolutePath = Field(description="A folder in which each worker touches the file of its id")
    ready: Timeout = Field(default=30.0, description="How long new workers may take until all of them beat")
    drain: Timeout = Field(
        default=60.0, description="How long old workers may then take to finish, before they are ended"
    )
    log: AbsolutePath | None = Field(
        default=None, description="What the supervisor and its workers print, for when they fail"
    )


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


class Restart(Section):
    """How the service is restarted, by exactly one driver."""

    model_config = exactly_one(*DRIVERS)

    command: Text | None = Field(default=None, description="A shell line that ends when the restart is done")
    docker: Docker | None = Field(default=None, description="A container that gets another image")
    http: Request | None = Field(
        default=None, description="A request that has the application load anew what it serves"
    )
    processes: Processes | None = Field(
        default=None, description="Workers that a supervisor replaces on a signal"
    )
    signal: Signal | None = Field(default=None, description="A signal to the process that a pidfile names")
    supervisor: Word | None = Field(
        default=None, description="A program or a group of supervisor, such as shop or shop:*"
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
