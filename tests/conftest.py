"""What every test has: its own state folder, and the markers that say what it needs."""

from __future__ import annotations

import gc
import signal
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

pytest_plugins = ["tests.support.haproxy"]


def pytest_itemcollected(item: pytest.Item) -> None:
    needs.mark(item)


def pytest_collection_finish() -> None:
    """What is imported by now stays: no collection of garbage need look at it again."""
    gc.collect()
    gc.freeze()


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
