"""Looks whether a release could be put on the node, and touches nothing.

The last line is `there DIGEST` if the release is there already, else `missing FREE` with the number of free
bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from rollout.agents.common.talk import Failed, say
from rollout.agents.release.store import Store


class Options(NamedTuple):
    """`release` is empty where it is not known yet."""

    directory: str
    release: str


def main(options: Options) -> None:
    store = Store(options.directory)
    store.require_link()
    for path in (store.directory, store.folder):
        _require_writable(path)
    digest = store.digest(options.release) if options.release else None
    if digest is not None:
        say(f"there {digest}")
        return
    disk = os.statvfs(_nearest(store.folder))
    say(f"missing {disk.f_bavail * disk.f_frsize}")


def _require_writable(path: Path) -> None:
    """Raises Failed if we may not write to the folder, or to the one that it would be made in."""
    nearest = _nearest(path)
    if not nearest.is_dir():
        raise Failed(f"{nearest} is not a folder")
    if not os.access(str(nearest), os.W_OK | os.X_OK):
        made = "" if nearest == path else f", where {path} would be created"
        raise Failed(f"no permission to write to {nearest}{made}")


def _nearest(path: Path) -> Path:
    while not os.path.lexists(path):
        path = path.parent
    return path
