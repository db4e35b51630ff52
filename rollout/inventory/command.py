"""The settings of `restart.command`: shell lines that restart an application, and look at it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from rollout.inventory.section import SCALAR, SETTINGS, Section, kind
from rollout.inventory.texts import Text

COMMAND_LINES = (
    "restart",
    "check",
    "proof",
    "explain",
)
"""The keys of `command:` that are shell lines."""


class Command(Section):
    """Shell lines of your own: one restarts the application, and others look at it."""

    restart: Text = Field(description="The line that restarts the application, and ends when that is done")
    check: Text | None = Field(
        default=None,
        description="A line that touches nothing, and fails if the restart cannot be carried out: with exit "
        "status 69 if the application does not run, with 72 if it is not there. It is run beforehand, and "
        "again once the release is there",
    )
    proof: Text | None = Field(
        default=None,
        description="A line that prints what runs, such as process ids, each on a line of its own: after the "
        "restart, it must print something, and nothing that it printed before; and what it prints must last",
    )
    explain: Text | None = Field(
        default=None,
        description="A line that prints why the restart failed, such as the last lines of a log",
    )
    gap: Annotated[bool, WithJsonSchema({"enum": [True, False, "yes", "no"]})] = Field(
        default=True,
        description="Whether nobody may answer during the restart: no, if the application keeps answering",
    )


CommandSetting = Annotated[
    Annotated[Text, Tag(SCALAR)] | Annotated[Command, Tag(SETTINGS)],
    Discriminator(kind),
]
