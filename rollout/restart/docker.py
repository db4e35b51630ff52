"""`restart.docker`: a container gets another image. The Docker daemon's own word on the node is the proof."""

from __future__ import annotations

import re

from rollout.agents.docker.restart import Options, main
from rollout.errors import UsageError
from rollout.inventory.restart import Docker
from rollout.inventory.template import Fill
from rollout.restart import driver
from rollout.restart.driver import RestartPlan, by_agent

_RELEASE = re.compile(r"\$ROLLOUT_RELEASE(?![A-Za-z0-9_])|\{release\}")


def plan_restart(settings: Docker, timeout: float, fill: Fill) -> RestartPlan:
    """The plan of the restart. Without a release, an image that is named by the release stays.
    Raises UsageError."""
    options = Options(
        container=fill(settings.container),
        image=_image(settings.image, fill),
        steady=driver.STEADY,
        timeout=timeout,
    )
    restarted = f"docker restart {options.container}"
    replaced = f"container {options.container} from {options.image}"
    return by_agent(main, options, shown=replaced if options.image else restarted)


def _image(name: str, fill: Fill) -> str | None:
    if "$" in _RELEASE.sub("", name):
        raise UsageError(
            f"restart.docker.image: {name!r} is not the name of an image",
            hint="$ROLLOUT_RELEASE is the only variable that it may contain",
        )
    release = fill("{release}")
    if _RELEASE.search(name) and not release:
        return None
    return fill(_RELEASE.sub("{release}", name))
