"""What could not be carried out is refused by `rollout deploy`, before anything is touched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from celery_shop import NODES, PASSWORD, CeleryShop

from tests.support.command import rollout, write_inventory


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"node": "celery@{node}x"},
            "no worker celery@web1x answers at {broker}; these do: celery@web1, celery@web2",
        ),
        (
            {"app": "shop.elsewhere"},
            "the broker redis://:**@127.0.0.1:9/0 cannot be reached: "
            "Error 111 connecting to 127.0.0.1:9. Connection refused.",
        ),
        (
            {"app": "shop.tusks"},
            "shop.tusks in {folder} does not load: ModuleNotFoundError: No module named 'shop.tusks'",
        ),
        (
            {"app": "shop.astray"},
            "the app's task_routes raise for celery.accumulate, which rollout sends to the new worker as a "
            "test: QueueNotFound: \"Queue 'nowhere' missing from task_queues\"",
        ),
        (
            {"app": "shop.small"},
            "the broker {small} refuses what rollout needs there: ",
        ),
        ({"app": "shop.tasks:store"}, "shop.tasks:store in {folder} is not a Celery app"),
        ({"directory": "/no/such"}, "/no/such: No such file or directory"),
        ({"python": "/no/such/python"}, "/no/such/python: not found"),
        ({"python": "{bare}"}, " cannot import Celery (No module named 'celery'): name the app"),
    ],
    ids=["node", "broker", "app", "router", "rights", "no app", "directory", "no python", "python"],
)
def test_what_is_wrong_is_told(shop: CeleryShop, tmp_path: Path, settings: dict[str, str], told: str) -> None:
    """In one line with no password in it, and both workers have consumed all the time."""
    folder = shop.folder / "web1"
    elsewhere = f"from celery import Celery\napp = Celery('x', broker='redis://:{PASSWORD}@127.0.0.1:9/0')\n"
    (folder / "shop/elsewhere.py").write_text(elsewhere)
    astray = (
        "app.conf.update(task_create_missing_queues=False, task_routes={'celery.*': {'queue': 'nowhere'}})"
    )
    (folder / "shop/astray.py").write_text(f"{elsewhere}{astray}\n")
    url = shop.url.replace(f":{PASSWORD}", f"small:{PASSWORD}")
    small = f"from celery import Celery\napp = Celery('x', broker='{url}')\n"
    (folder / "shop/small.py").write_text(small)
    shop.store.acl_setuser("small", enabled=True, passwords=[f"+{PASSWORD}"], commands=["+ping", "+client"])
    inventory = shop.inventory(**settings)
    if settings.get("python") == "{bare}":
        inventory["restart"]["celery"]["python"] = str(_bare_python(tmp_path))
    inventory["nodes"] = {"web1": inventory["nodes"]["web1"]}
    before = shop.pids()
    done = rollout("deploy", inventory=write_inventory(tmp_path / "shop.yml", inventory))
    broker = shop.url.replace(PASSWORD, "**")
    assert done.returncode == 3, done.stdout + done.stderr
    assert told.format(broker=broker, folder=folder, small=broker.replace(":**", "small:**")) in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert (shop.pids(), shop.life()) == (before, [f"+{node}" for node in NODES])


def _bare_python(folder: Path) -> Path:
    """An interpreter that has only the standard library."""
    python = folder / "bin/python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    return python
