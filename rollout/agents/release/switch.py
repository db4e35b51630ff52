"""Switches `current` to a release that is on the node."""

from __future__ import annotations

from typing import NamedTuple

from rollout.agents.common.talk import Failed, say
from rollout.agents.release.store import Store


class Options(NamedTuple):
    """`keep` is how many releases stay on the node."""

    directory: str
    release: str
    keep: int


def main(options: Options) -> None:
    store = Store(options.directory)
    store.require_link()
    with store.locked():
        if store.digest(options.release) is None:
            raise Failed(f"{store.path(options.release)} is not there: deploy it again")
        before = store.linked(store.current)
        store.switch(options.release)
        store.prune(options.keep, options.release)  # removes the release that was the previous one until now
    was = f", it was {before}" if before not in (None, options.release) else ""
    say(f"{store.current} is {options.release}{was}")
