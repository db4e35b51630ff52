"""Real deployments over two machines whose Celery workers are busy."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from celery_shop import NODES, PASSWORD, TASKS, CeleryShop, Stream

from tests.support.command import rollout, write_inventory
from tests.support.until import wait


def test_no_task_is_lost_and_the_queues_are_always_consumed(shop: CeleryShop, tmp_path: Path) -> None:
    """Under a steady stream, each task is executed exactly once, and one of two machines always consumes."""
    shop.add_release("2")
    inventory = write_inventory(tmp_path / "shop.yml", shop.inventory())
    before = shop.pids()
    with Stream(shop) as stream:
        wait(lambda: len(shop.done()) > 5, "tasks")
        done = rollout("deploy", "--release", "2", inventory=inventory)
        seen = stream.sent
        wait(lambda: stream.sent > seen + 20, "tasks after the deployment")
    assert done.returncode == 0, done.stdout + done.stderr
    wait(lambda: len(shop.done()) >= stream.sent, "all tasks")
    wait(lambda: shop.left() == 0, "all tasks acknowledged")
    assert sorted(map(int, shop.done())) == list(range(stream.sent))
    assert shop.least_consuming() == 1
    assert not set(before.values()) & set(shop.pids().values())
    assert shop.store.lrange("done", -1, -1)[0].endswith(" 2")
    assert done.stdout.count("has executed rollout's test task") == len(NODES)
    assert shop.nothing_of_ours()
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        (
            "import no_such_module\n",
            "does not load: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (
            f"{TASKS}\napp.conf.task_routes = lambda name, *_, **more: {{{{'shop.work': 'celery'}}}}[name]\n",
            "the app's task_routes raise for celery.accumulate, which rollout sends to the new worker as a "
            "test: KeyError: 'celery.accumulate'",
        ),
    ],
    ids=["broken", "astray"],
)
def test_a_release_that_cannot_work_touches_nothing(
    shop: CeleryShop, tmp_path: Path, request: pytest.FixtureRequest, tasks: str, why: str
) -> None:
    """The error is shown, and both old workers have gone on consuming all the time."""
    release = request.node.callspec.id
    shop.add_release(release, tasks=tasks)
    inventory = write_inventory(tmp_path / "shop.yml", shop.inventory())
    before = shop.pids()
    done = rollout("deploy", "--release", release, inventory=inventory)
    assert done.returncode == 1
    assert why in done.stdout
    assert (shop.pids(), shop.life()) == (before, [f"+{node}" for node in NODES])


def test_a_worker_that_does_not_come_back_stops_the_deployment(shop: CeleryShop, tmp_path: Path) -> None:
    """It is told with what the worker wrote last, and the other machine does all the work. A mended release
    is not refused for it."""
    shop.add_release("silent", worker="echo Error: No such option: --nope >&2; exit 2\n")
    inventory = shop.inventory(start=f'kill -TERM "$(cat {shop.folder}/$ROLLOUT_NODE.pid)" || true')
    inventory["restart"]["timeout"] = "5s"
    before = shop.pids()
    done = rollout(
        "deploy", "--release", "silent", inventory=write_inventory(tmp_path / "shop.yml", inventory)
    )
    assert done.returncode == 1
    assert "Error: No such option: --nope" in done.stdout
    assert "BROKEN: celery@web1 does not answer 5 s after it was told to restart" in done.stdout
    assert (shop.pids()["web2"], shop.consuming()) == (before["web2"], {"web2"})
    for number in range(10):
        shop.app.send_task("shop.work", (number, 0))
    wait(lambda: len(shop.done()) == 10, "tasks of the other worker")
    inventory["restart"]["timeout"] = "60s"
    inventory["nodes"] = {"web1": inventory["nodes"]["web1"]}
    mended = rollout("deploy", "--release", "1", inventory=write_inventory(tmp_path / "shop.yml", inventory))
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "shop does not run there (no worker celery@web1 answers at " in mended.stdout


def test_tasks_that_do_not_finish_are_not_ended(shop: CeleryShop, tmp_path: Path) -> None:
    """When the drain runs out they are named, the queues are consumed again, and nothing was restarted."""
    inventory = write_inventory(tmp_path / "shop.yml", shop.inventory(drain="1s"))
    before = shop.pids()
    shop.occupy(4)
    done = rollout("deploy", inventory=inventory)
    assert done.returncode == 1
    assert "celery@web1 has 2 tasks left after 1 s: shop.wait " in done.stdout
    assert "; celery@web1 consumes celery, mail again" in done.stdout
    assert (shop.pids(), shop.consuming()) == (before, set(NODES))
    shop.release_all(4)


@pytest.mark.parametrize(
    "how", [(signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)], ids=["interrupted", "killed"]
)
def test_a_drain_that_is_cut_short(shop: CeleryShop, tmp_path: Path, how: tuple[signal.Signals, ...]) -> None:
    """The queues are consumed again, also where `rollout` itself could do nothing any more."""
    inventory = write_inventory(tmp_path / "shop.yml", shop.inventory())
    before = shop.pids()
    shop.occupy(4)
    command = [sys.executable, "-m", "rollout", "deploy", "-i", str(inventory), "--yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: b"has 2 tasks left" in process.stdout.readline(), "the drain")
            assert shop.consuming() == {"web2"}
            for number in how:
                process.send_signal(number)
                wait(lambda: process.poll() is not None or b"halted" in process.stdout.readline(), "a word")
            wait(lambda: shop.consuming() == set(NODES), "the worker to be back")
        finally:
            process.kill()
    shop.release_all(4)
    assert shop.pids() == before
