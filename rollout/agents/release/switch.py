"""Switches `current` to a release that is on the node, or back to what it was before that."""

from __future__ import annotations

from typing import NamedTuple

from rollout.agents.common.talk import Failed, say
from rollout.agents.release.store import Store

WAS = ", it was "
"""What stands before the former target of `current` in the last line, if it is another one."""


class Options(NamedTuple):
    """`keep` is how many releases stay on the node. With `back`, the switch to the release is undone."""

    directory: str
    release: str
    keep: int
    back: bool = False


def main(options: Options) -> None:
    store = Store(options.directory)
    store.require_link()
    with store.locked():
        if options.back:
            say(f"{store.current} is {store.switch_back(options.release)} again")
            return
        if store.digest(options.release) is None:
            raise Failed(f"{store.path(options.release)} is not there: deploy it again")
        before = store.linked(store.current) or store.target(store.current)
        store.switch(options.release)
        store.prune(options.keep, options.release)  # removes the release that was the previous one until now
    was = f"{WAS}{before}" if before not in (None, options.release) else ""
    say(f"{store.current} is {options.release}{was}")
