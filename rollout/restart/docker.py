"""`restart.docker`: a container gets another image, proved on the node by the daemon's own word."""

from __future__ import annotations

import re
from functools import partial

from rollout.errors import UsageError
from rollout.inventory.restart import Docker
from rollout.remote.agent import on_node
from rollout.restart.driver import Fill, RestartPlan

_RELEASE = re.compile(r"\$ROLLOUT_RELEASE(?![A-Za-z0-9_])|\{release\}")


def plan_restart(settings: Docker, timeout: float, fill: Fill) -> RestartPlan:
    """Without a release an image that is named by it stays as it is. Raises UsageError."""
    container, image = fill(settings.container), _image(settings.image, fill)
    agent = partial(on_node, "docker.restart", container=container, image=image, timeout=timeout)
    return RestartPlan(
        timeout=timeout,
        command=agent(check=False),
        shown=f"container {container} from {image}" if image else f"docker restart {container}",
        precheck=agent(check=True),
    )


def _image(name: str, fill: Fill) -> str | None:
    if "$" in _RELEASE.sub("", name):
        raise UsageError(
            f"restart.docker.image: {name!r} is not the name of an image",
            hint="of what the shell would fill in, only $ROLLOUT_RELEASE may stand in it",
        )
    release = fill("{release}")
    if _RELEASE.search(name) and not release:
        return None
    return fill(_RELEASE.sub("{release}", name))
