"""Switches `current` to a release that is on the node."""

from __future__ import annotations

from typing import Any, Dict

from rollout.agents.common.talk import Failed, say
from rollout.agents.release.releases import Releases


def main(told: Dict[str, Any]) -> None:
    releases = Releases(told["directory"])
    releases.require_link()
    with releases.locked():
        if releases.digest(told["release"]) is None:
            raise Failed(f"{releases.path(told['release'])} is not there: deploy it anew")
        before = releases.linked(releases.current)
        releases.switch(told["release"])
        releases.prune(told["keep"], told["release"])  # what was the previous one until now
    was = f", it was {before}" if before not in (None, told["release"]) else ""
    say(f"{releases.current} is {told['release']}{was}")
