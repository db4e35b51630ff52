"""The shop with its workers, started once for all tests here, and in order before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery_shop import NODES, CeleryShop, running

from tests.support.until import wait


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CeleryShop]:
    with running(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def shop(started: CeleryShop) -> CeleryShop:
    """Release 1 on both machines, however the test before has left them; nothing told yet but that."""
    for node in NODES:
        started.install("1", node)
    wait(lambda: started.consuming() == set(NODES), "both workers")
    wait(lambda: started.left() == 0, "no task left")
    started.store.delete("done", "life", "waiting", "finish", "finished")
    started.store.rpush("life", *(f"+{node}" for node in NODES))
    return started
