"""Makes a release that is on the node ready to be switched to, and removes the oldest ones."""

from __future__ import annotations

import os
import time
from typing import NamedTuple, Optional

from rollout.agents.common.talk import say
from rollout.agents.release.store import Store

_PIECE = 1 << 20


class Options(NamedTuple):
    """`keep` is how many releases stay on the node. With `warm`, all of the release is read, `pace` bytes a
    second at most, so that it is in memory before anybody needs it."""

    directory: str
    release: str
    keep: int
    warm: bool
    pace: Optional[float]


def main(options: Options) -> None:
    store = Store(options.directory)
    with store.locked():
        if options.warm:
            _warm(str(store.path(options.release)), options.pace)
        for release in store.prune(options.keep, options.release):
            say(f"removed {store.path(release)}")


def _warm(folder: str, pace: Optional[float]) -> None:
    """Read all files of a folder, `pace` bytes a second at most."""
    begun, count = time.monotonic(), 0
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            if os.path.islink(file):
                continue
            with open(file, "rb", buffering=0) as opened:
                while True:
                    data = opened.read(_PIECE)
                    if not data:
                        break
                    count += len(data)
                    if pace:
                        time.sleep(max(0.0, begun + count / pace - time.monotonic()))
