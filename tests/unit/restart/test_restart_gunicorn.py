"""What `restart.gunicorn` becomes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rollout.inventory.restart import Gunicorn, Restart
from rollout.restart import plan_restart


def test_what_people_are_shown() -> None:
    """The mode and the pidfile, filled in, in place of the program that is sent; a look comes before it."""
    settings = Restart(gunicorn={"pidfile": "/run/{node}.pid", "mode": "rolling"}, timeout="7s")
    found = plan_restart(settings, lambda text: text.replace("{node}", "web1"))
    assert (found.shown, found.timeout) == ("gunicorn rolling of /run/web1.pid", 7.0)
    assert found.command is not None
    assert found.precheck is not None
    assert "'check': False" in found.command
    assert "'check': True" in found.precheck


@pytest.mark.parametrize(
    "notify", ["127.0.0.1:4012", "udp://127.0.0.1", "udp://:4012", "udp://a:99999", "udp://a:1/b"]
)
def test_where_workers_cannot_report(notify: str) -> None:
    """Anything but a host and a port of UDP is a mistake of the inventory."""
    with pytest.raises(ValidationError, match="expected a URL such as udp://"):
        Gunicorn(pidfile="/run/shop.pid", mode="reload", notify=notify)


@pytest.mark.parametrize(("given", "sent"), [({}, None), ({"drain": "90s"}, 90.0)])
def test_how_long_an_old_worker_may_take(given: dict[str, str], sent: float | None) -> None:
    """What the inventory says; otherwise gunicorn's own setting, which only the agent can read."""
    settings = Restart(gunicorn={"pidfile": "/run/shop.pid", "mode": "rolling", **given})
    assert f"'drain': {sent}," in str(plan_restart(settings, str).command)
