"""The section `drain`: how a node leaves its load balancers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rollout.inventory.quantities import Duration, Timeout
from rollout.inventory.request import Request
from rollout.inventory.section import Section, exactly_one
from rollout.inventory.texts import AbsolutePath, Port


class Requests(Section):
    """The two requests that take a node out of rotation and bring it back."""

    down: Request = Field(description="Makes the health page answer 404")
    up: Request = Field(description="Makes the health page answer 200 again")


class HealthPage(Section):
    """Draining by the page that the load balancer checks: it answers 404 until the node may come back.

    Exactly one of file and request.
    """

    model_config = exactly_one("file", "request")

    file: AbsolutePath | None = Field(
        default=None,
        description="A file that is created on the node to drain it and removed to bring it back",
    )
    request: Requests | None = Field(default=None, description="HTTP requests by which the page changes")
    settle: Duration = Field(
        default=10.0,
        description="How long to wait if no load balancer can be asked: inter × fall of its health check",
    )
    port: Port | None = Field(
        default=None,
        description="A port on the node. Before the restart, none of its connections may carry a request: "
        "clients have their answers, and nothing has moved for a moment",
    )


class Drain(Section):
    """How a node leaves the load balancers before it is touched."""

    timeout: Timeout = Field(default=30.0, description="How long running requests may take to finish")
    on_timeout: Literal["abort", "close"] = Field(
        default="abort",
        description="After timeout, abort puts the node back, and close ends the sessions that are left",
    )
    pinned: Literal["move", "wait"] | None = Field(
        default=None,
        description="What a drain does with clients that a cookie or a stick table pins to a server. Without "
        "it, HAProxy's configuration decides, and a drain waits where that cannot be read. move: maintenance "
        "follows the drain at once and moves them; not for servers with on-marked-down shutdown-sessions, "
        "where it cuts their requests. wait: maintenance follows once none of them has a request",
    )
    health_page: HealthPage | None = Field(
        default=None,
        description="Drain by the page that the load balancer checks, with or without access to HAProxy",
    )
