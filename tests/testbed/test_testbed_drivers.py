"""Drivers with other settings than their examples have, on the testbed, and its Celery machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from task_sender import tasks_sent_from
from testbed import INVENTORY, ROOT, Testbed
from users import Users

pytestmark = pytest.mark.timeout(300, func_only=True)  # the first may have to wait for images
SITE = yaml.safe_load(INVENTORY.read_text())
SITE["ssh"] |= {key: str(ROOT / SITE["ssh"][key]) for key in ("identity_file", "known_hosts")}


def deployed(testbed: Testbed, folder: Path, example: dict[str, Any], nodes: list[str], release: str) -> None:
    """A deployment of the example to nodes of the testbed ends well, and the nodes run the release."""
    here = {"nodes": {node: SITE["nodes"][node] for node in nodes}, "ssh": SITE["ssh"]}
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({**example, **here}))
    done = testbed.rollout("deploy", "--release", release, inventory=inventory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {node: testbed.nodes()[node] for node in nodes} == dict.fromkeys(nodes, ("ready", release))


@pytest.mark.parametrize(
    ("driver", "mode", "node"), [("gunicorn", "reload", "web3"), ("uwsgi", "chain", "web6")]
)
def test_workers_are_replaced_in_place(
    testbed: Testbed, users: Users, tmp_path: Path, driver: str, mode: str, node: str
) -> None:
    """By the driver's example in another mode, while HAProxy sends them requests."""
    example = yaml.safe_load((ROOT / "inventories" / f"{driver}.yml").read_text())
    example["restart"][driver]["mode"] = mode
    example["release"] = SITE["release"]
    deployed(testbed, tmp_path, example, [node], mode)
    assert users.turned == users.lost == []


def test_celery_machines_take_tasks_over_a_deployment(testbed: Testbed) -> None:
    """Tasks sent meanwhile are all done: by either machine while the other one is restarted."""
    with tasks_sent_from(testbed.container("tasks1"), testbed.environment) as workers:
        done = testbed.rollout(
            "deploy", "--release", "2", inventory=ROOT / "inventories" / "testbed-celery.yml"
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert workers.issuperset({("1", "tasks2"), ("2", "tasks1")})
    for name in ("tasks1", "tasks2"):
        assert testbed.on(name, "cat /srv/shop/current/VERSION").strip() == "2"
        testbed.on(name, "systemctl is-active celery")


def test_etcd_and_redis_answer(testbed: Testbed) -> None:
    """From a machine of the testbed."""
    assert json.loads(testbed.on("web1", "curl -fsS http://172.29.77.30:2379/health"))["health"] == "true"
    assert "PONG" in testbed.on("web1", "redis-cli -h 172.29.77.20 ping")
