"""The settings of a release: how a node gets it, as an inventory has it."""

from __future__ import annotations

from pydantic import Field

from rollout.inventory.quantities import Rate, Timeout
from rollout.inventory.section import Section, exactly_one
from rollout.inventory.texts import AbsolutePath, FilledText, Text

RELEASES = (
    "archive",
    "command",
    "files",
)
"""The keys of `release:` of which there is exactly one."""


class Archive(Section):
    """A tar or zip archive, sent to the node, which keeps each release in a folder of its own."""

    source: FilledText = Field(
        description="The archive here; a relative path begins at the inventory's folder"
    )
    directory: AbsolutePath = Field(
        description="The folder on the node that holds releases/ and current, the link to one of them"
    )
    keep: int = Field(default=5, ge=1, description="How many releases stay on the node")


class Files(Section):
    """A file or a folder, sent to the node as it is, such as a read-only database."""

    source: FilledText = Field(
        alias="from", description="The file or folder here; a relative path begins at the inventory's folder"
    )
    to: AbsolutePath = Field(
        description="The folder on the node that holds releases/ and current, the link to one of them"
    )
    keep: int = Field(default=2, ge=1, description="How many versions stay on the node")
    bandwidth: Rate | None = Field(default=None, description="How fast it may be sent, such as 20MB/s")


class Release(Section):
    """How a node gets its release, in exactly one way. A shell line has ROLLOUT_RELEASE, ROLLOUT_NODE and
    others in its environment."""

    model_config = exactly_one(*RELEASES)

    archive: Archive | None = Field(
        default=None, description="Sent while the node serves, and switched to while it is drained"
    )
    command: Text | None = Field(default=None, description="A shell line that runs while the node is drained")
    files: Files | None = Field(
        default=None, description="Sent while the node serves, and switched to while it is drained"
    )
    timeout: Timeout = Field(default=600.0, description="How long it may take, sending included")
