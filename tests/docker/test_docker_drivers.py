"""The drivers' own inventories, deployed to machines of the lab: only the site is another."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker_lab import INVENTORY, ROOT, Lab
from users import Users

pytestmark = pytest.mark.timeout(1200)  # the first may have to wait for images
SITE = yaml.safe_load(INVENTORY.read_text())
SITE["ssh"] |= {key: str(ROOT / SITE["ssh"][key]) for key in ("identity_file", "known_hosts")}


def deployed(lab: Lab, folder: Path, example: dict[str, Any], nodes: list[str], release: str) -> None:
    """The example, with the lab's nodes and its ways to them, ends well, and the nodes run the release."""
    here = {"nodes": {node: SITE["nodes"][node] for node in nodes}, "ssh": SITE["ssh"]}
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump({**example, **here}))
    done = lab.rollout("deploy", "--release", release, inventory=inventory)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {node: lab.nodes()[node] for node in nodes} == dict.fromkeys(nodes, ("ready", release))


@pytest.mark.parametrize(
    ("name", "settings", "nodes"),
    [
        ("gunicorn", {"mode": "rolling"}, ["web1"]),
        ("gunicorn", {"mode": "reload"}, ["web3"]),
        ("uwsgi", {"mode": "chain"}, ["web6"]),
        ("signal", {"pidfile": "/run/shop/shop.pid"}, ["web4"]),
    ],
)
def test_workers_are_replaced_in_place(
    lab: Lab, users: Users, tmp_path: Path, name: str, settings: dict[str, str], nodes: list[str]
) -> None:
    """By their driver's example, while HAProxy sends them requests."""
    example = yaml.safe_load((ROOT / "inventories" / f"{name}.yml").read_text())
    example["restart"][name] |= settings
    example["release"] = SITE["release"]
    deployed(lab, tmp_path, example, nodes, f"{name}-{settings.get('mode', 'hup')}")
    assert users.lost == []


def test_a_shell_line_restarts_it(lab: Lab, users: Users, tmp_path: Path) -> None:
    """What `restart.command` does is up to it: the node is out of rotation meanwhile."""
    restart = {"command": "sudo systemctl restart shop"}
    deployed(lab, tmp_path, {**SITE, "restart": restart, "strategy": {}}, ["web1"], "by-command")
    assert users.lost == []


def test_an_archive_is_sent(lab: Lab, users: Users, tmp_path: Path) -> None:
    """The release comes from here, over the jump host, and `current` leads to it."""
    with tarfile.open(tmp_path / "shop-sent.tar.gz", "w:gz") as archive:
        told = tarfile.TarInfo("VERSION")
        told.size = len("sent\n")
        archive.addfile(told, io.BytesIO(b"sent\n"))
    release = yaml.safe_load((ROOT / "inventories" / "archive.yml").read_text())["release"]
    release["archive"]["source"] = str(tmp_path / "shop-{release}.tar.gz")
    deployed(lab, tmp_path, {**SITE, "release": release, "strategy": {}}, ["web3"], "sent")
    assert lab.on("web3", "readlink /srv/shop/current").strip() == "releases/sent"
    assert users.lost == []


def test_celery_machines_take_tasks_over_a_deployment(lab: Lab) -> None:
    """Tasks that are sent meanwhile are all done, and afterwards both machines run the new release."""
    send = "import tasks; print(','.join(tasks.work.delay(n).id for n in range(100)))"
    sent = lab.on("tasks1", f'cd /srv/shop && python3 -c "{send}"').strip()
    done = lab.rollout("deploy", "--release", "2", inventory=ROOT / "inventories" / "docker-celery.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    ask = f"[tasks.app.AsyncResult(i).get(30) for i in '{sent}'.split(',')]"
    results = json.loads(
        lab.on("tasks1", f'cd /srv/shop && python3 -c "import json, tasks; print(json.dumps({ask}))"')
    )
    assert [number for number, _, _ in results] == list(range(100))
    for name in ("tasks1", "tasks2"):
        assert lab.on(name, "cat /srv/shop/current/VERSION").strip() == "2"
        lab.on(name, "systemctl is-active tasks")


def test_etcd_and_redis_answer(lab: Lab) -> None:
    """From a machine of the lab."""
    assert json.loads(lab.on("web1", "curl -fsS http://172.29.77.30:2379/health"))["health"] == "true"
    assert "PONG" in lab.on("web1", "redis-cli -h 172.29.77.20 ping")
