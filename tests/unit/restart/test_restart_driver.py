"""Which driver an inventory's `restart:` names."""

from __future__ import annotations

import pytest

from rollout.errors import UsageError
from rollout.inventory.restart import Restart
from rollout.restart import plan_restart
from rollout.restart.driver import RestartPlan


def test_a_command_is_run_as_written() -> None:
    """A shell line of the inventory is not touched, and proves nothing but its exit status."""
    line = 'sudo "$HOME"/bin/restart --release "$ROLLOUT_RELEASE" && true'
    assert plan_restart(Restart(command=line, timeout="7s"), str) == RestartPlan(7.0, line)


def test_a_unit_is_restarted_by_systemd() -> None:
    """`systemd:` takes the systemd driver, with the inventory's timeout and a proof."""
    found = plan_restart(Restart(systemd="shop.service", timeout="7s"), str)
    assert found.command.endswith("systemctl restart shop.service")
    assert found.timeout == 7.0
    assert found.proof is not None


def test_a_bad_unit_name_is_a_mistake_of_the_inventory() -> None:
    """The mistake is found before anything is run."""
    with pytest.raises(UsageError, match="'shop;reboot' is not the name of a systemd unit"):
        plan_restart(Restart(systemd="shop;reboot"), str)


def test_a_celery_worker_has_its_drain_beside_the_timeout() -> None:
    """It is known by its node name; its own interpreter runs what is sent, and looks first."""
    settings = Restart(
        celery={"app": "shop.tasks", "drain": "2m", "start": "go", "python": "/srv/{node}/bin/python"},
        timeout="7s",
    )
    found = plan_restart(settings, lambda text: text.replace("{node}", "web1"))
    assert found.shown == "celery restart of celery@web1"
    assert found.timeout > 120 + 7
    for line in (found.command, found.precheck):
        assert "/srv/web1/bin/python - <<" in line
