"""Repairs of real workers: a refused release that a worker must not load, and a worker that is down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from celery_shop import TASKS, CeleryShop

from tests.support.command import rollout, write_inventory
from tests.support.until import wait


def test_a_worker_is_repaired_by_what_comes_next(shop: CeleryShop, tmp_path: Path) -> None:
    """A release that does not load leaves the one before on the disk, for a worker that starts anew. One
    whose worker does not start leaves it down, and a mended release is not refused."""
    shop.add_release("raises", tasks="raise RuntimeError('there is no table')\n")
    shop.add_release("down", worker="exit 3")
    shop.add_release("mended", tasks=TASKS)
    start = f'kill -TERM "$(cat {shop.folder}/$ROLLOUT_NODE.pid)" || true'
    sections = shop.inventory(start=start)
    sections["nodes"] = {"web1": sections["nodes"]["web1"]}
    sections["restart"]["timeout"] = "12s"
    here = write_inventory(tmp_path / "shop.yml", sections)
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0

    refused = rollout("deploy", "--release", "raises", inventory=here)
    assert refused.returncode == 1
    assert "there is no table" in refused.stdout
    assert "release 1 is on the disk again" in refused.stdout
    before = shop.pids()["web1"]
    os.killpg(int(before), signal.SIGKILL)
    wait(lambda: shop.pids()["web1"] != before and shop.life()[-1] == "+web1", "the worker")

    assert rollout("deploy", "--release", "down", inventory=here).returncode == 1
    done = rollout("deploy", "--release", "mended", inventory=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shop does not run there (no worker celery@web1 answers at " in done.stdout
