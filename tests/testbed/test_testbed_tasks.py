"""The testbed's Celery machines, and the services beside its nodes."""

from __future__ import annotations

import json

import pytest
from task_sender import tasks_sent_from
from testbed import ROOT, Testbed

pytestmark = pytest.mark.timeout(300, func_only=True)  # the first may have to wait for images


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
