"""What every test has: its own state folder, and the markers that say what it needs."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import settings

from rollout.inventory import strategy
from tests.support import needs, prepared

# A test that shares two cores with others may be slow for a while; pytest's own time-out ends one that hangs.
settings.register_profile("rollout", deadline=None)
settings.load_profile("rollout")

# Where a shell started us in the background it had Ctrl-C ignored, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A CI system in which the tests run must not change what they see.
for _name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITLAB_CI"):
    os.environ.pop(_name, None)

_PLACES = pytest.StashKey[frozenset[Path]]()
_IDLE = 30.0
"""Seconds after which nobody of the tests comes back to a place."""

pytest_plugins = ["tests.support.haproxy"]


def pytest_itemcollected(item: pytest.Item) -> None:
    needs.mark(item)


def pytest_collection_finish() -> None:
    """What is imported by now stays: no collection of garbage need look at it again."""
    gc.collect()
    gc.freeze()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.stash[_PLACES] = frozenset(Path("/var/tmp").glob("rollout-*"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take away the places that came since the start: services behind sockets of this machine have theirs
    where all its users meet. Whoever deploys right now, in tests that run beside these, keeps its own."""
    if hasattr(session.config, "workerinput"):
        return
    for place in {*Path("/var/tmp").glob("rollout-*")} - session.stash[_PLACES]:
        with contextlib.suppress(OSError):
            seen = place.stat()
            idle = time.time() - seen.st_mtime > _IDLE and not [*place.glob("*/lock")]
            if idle and seen.st_uid == os.getuid():
                shutil.rmtree(place)


@pytest.fixture(autouse=True)
def short_bake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bake that no inventory asked for is short, also in the processes that tests start."""
    monkeypatch.setattr(strategy, "DEFAULT_BAKE", prepared.BAKE)


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees or changes the user's journal or inventory."""
    state = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.delenv("ROLLOUT_INVENTORY", raising=False)
    return state
