"""Repairs of real workers: a refused release that a worker must not load, and one whose workers die."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from celery_shop import TASKS, CeleryShop

from tests.support.command import rollout, write_inventory
from tests.support.until import wait

DIES = """
import os
import signal
import threading


@worker_ready.connect
def die(**_):
    threading.Timer(2, os.kill, (os.getpid(), signal.SIGTERM)).start()
"""


def test_a_worker_is_repaired_by_what_comes_next(shop: CeleryShop, tmp_path: Path) -> None:
    """A release that does not load leaves the one before on the disk, for a worker that starts anew. One
    whose workers die two seconds after they have executed the test task is rolled back, however often they
    are started and die meanwhile."""
    shop.add_release("raises", tasks="raise RuntimeError('there is no table')\n")
    shop.add_release("dies", tasks=TASKS + DIES)
    sections = shop.inventory(start=f'kill -TERM "$(cat {shop.folder}/$ROLLOUT_NODE.pid)" || true')
    sections["nodes"] = {"web1": sections["nodes"]["web1"]}
    here = write_inventory(tmp_path / "shop.yml", sections)
    assert rollout("deploy", "--release", "1", inventory=here).returncode == 0

    refused = rollout("deploy", "--release", "raises", inventory=here)
    assert refused.returncode == 1
    assert "there is no table" in refused.stdout
    assert "release 1 is on the disk again" in refused.stdout
    before = shop.pids()["web1"]
    os.killpg(int(before), signal.SIGKILL)
    wait(lambda: shop.pids()["web1"] != before and shop.life()[-1] == "+web1", "the worker")

    done = rollout("deploy", "--release", "dies", inventory=here)
    assert done.returncode == 1
    assert "BROKEN: celery@web1 " in done.stdout
    back = rollout("rollback", inventory=here)
    assert back.returncode == 0, back.stdout + back.stderr
    shop.app.send_task("shop.work", (1, 0))
    wait(lambda: shop.done() == ["1"], "a task")
