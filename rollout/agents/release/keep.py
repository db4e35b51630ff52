"""Makes a release that is on the node ready to be switched to, and removes the oldest ones."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Optional

from rollout.agents.common.talk import say
from rollout.agents.release.releases import Releases

_PIECE = 1 << 20


def main(told: Dict[str, Any]) -> None:
    releases = Releases(told["directory"])
    with releases.locked():
        if told["warm"]:
            _warm(str(releases.path(told["release"])), told["pace"])
        for release in releases.prune(told["keep"], told["release"]):
            say(f"removed {releases.path(release)}")


def _warm(folder: str, pace: Optional[float]) -> None:
    """Read all of it, so that it is in memory before anybody needs it; at most `pace` bytes a second."""
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
