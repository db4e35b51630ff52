"""`restart: gunicorn`, against real gunicorns under load."""

from __future__ import annotations

import sys

import pytest
from gunicorn_support import Capacity, Shop


@pytest.mark.parametrize("mode", ["reload", "rolling", "upgrade"])
def test_a_release(shop: Shop, mode: str) -> None:
    """No request is lost, all workers are new, and none but reload has less of them than before."""
    shop.start()
    old, master = shop.workers(), shop.master
    with shop.load() as load, Capacity(shop) as capacity:
        done = shop.deploy(mode, "2")
        assert done.returncode == 0, done.stdout + done.stderr
        load.until(lambda answer: answer.body == "2", "the new release")
    figure = f"{len(load.lost)} lost of {len(load.answers)}, never fewer than {capacity.least} of 3 workers"
    sys.stdout.write(f"gunicorn {mode}: {figure}
")
    assert load.lost == []
    assert load.bodies[0] == "1"
    assert load.answers[-1].body == "2"
    new = shop.workers()
    assert len(new) == 3
    assert not old & new
    assert (shop.master == master) is (mode != "upgrade")
    if mode != "reload":
        assert capacity.least == 3
    if mode == "rolling":
        assert capacity.most == 4
    assert shop.left_behind() == []
