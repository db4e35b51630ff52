"""What is run, and who is told, around a deployment and each of its nodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from rollout.inventory.quantities import Timeout
from rollout.inventory.section import SCALAR, SETTINGS, Section, at_least_one, kind
from rollout.inventory.texts import Text, WebhookUrl

HOOKS = (
    "before_deploy",
    "before_node",
    "after_node",
    "after_deploy",
    "on_failure",
)
"""The keys of `hooks:`. Each holds a shell line, or settings with one."""

NOTIFIED = (
    "webhook",
    "slack",
)
"""The keys of `notify:`, one of which there must be."""

_TIMEOUT = 60.0


class Hook(Section):
    """A shell line that is run on the machine that deploys. ROLLOUT_RELEASE and others are in its
    environment."""

    command: Text = Field(description="The shell line")
    on: Literal["here"] = Field(default="here", description="On this machine, since it is about no one node")
    timeout: Timeout = Field(default=_TIMEOUT, description="How long it may take")


class NodeHook(Section):
    """A shell line that is run for each node. ROLLOUT_NODE, ROLLOUT_RELEASE and others are in its
    environment."""

    command: Text = Field(description="The shell line")
    on: Literal["here", "node"] = Field(default="here", description="On this machine, or on the node")
    timeout: Timeout = Field(default=_TIMEOUT, description="How long it may take")


_Line = Annotated[Text, Tag(SCALAR)]
HookSetting = Annotated[_Line | Annotated[Hook, Tag(SETTINGS)], Discriminator(kind)]
NodeHookSetting = Annotated[_Line | Annotated[NodeHook, Tag(SETTINGS)], Discriminator(kind)]


class Hooks(Section):
    """Shell lines that are run around a deployment and around each node."""

    before_deploy: HookSetting | None = Field(
        default=None, description="Before anything else; where it fails, no node is touched"
    )
    before_node: NodeHookSetting | None = Field(
        default=None, description="Before each node is drained; where it fails, that node is not touched"
    )
    after_node: NodeHookSetting | None = Field(
        default=None, description="After each node that is done; a failure is a warning"
    )
    after_deploy: HookSetting | None = Field(
        default=None, description="At the end, however it went; a failure is a warning"
    )
    on_failure: HookSetting | None = Field(
        default=None, description="When the deployment failed; a failure is a warning"
    )

    def named(self, name: str) -> Hook | NodeHook | None:
        """One of `HOOKS`, with its settings."""
        given: str | Hook | NodeHook | None = getattr(self, name)
        return NodeHook(command=given) if isinstance(given, str) else given


class Notify(Section):
    """Who is told when a deployment begins and when it ends: webhook, slack, or both."""

    model_config = at_least_one(*NOTIFIED)

    webhook: WebhookUrl | None = Field(default=None, description="Gets both as JSON")
    slack: WebhookUrl | None = Field(default=None, description="An incoming webhook of Slack")

    @property
    def urls(self) -> dict[str, str]:
        """By key."""
        return {name: url for name in NOTIFIED if (url := getattr(self, name)) is not None}
