"""`restart.systemd`: units, restarted or reloaded by systemctl. The proof is the state that systemd shows.

systemd refuses to start a unit that was started too often, such as one that a broken release has crashed. So
a restart begins with `reset-failed`, which forgets that. Where sudo does not allow it, the restart is tried
all the same.
"""

from __future__ import annotations

import re
from functools import partial

from rollout.errors import UsageError
from rollout.inventory.restart import RELOAD, Systemd
from rollout.inventory.template import Fill
from rollout.restart import systemd_lines as lines
from rollout.restart.driver import Job, Proof, RestartPlan
from rollout.restart.systemd_lines import OF_THE_USER, SYSTEM, Manager
from rollout.restart.systemd_state import (
    compare_life,
    compare_reload,
    compare_restart,
    none_active,
    of_units,
    under_way,
)

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")


def plan_restart(settings: Systemd | str, timeout: float, fill: Fill) -> RestartPlan:
    """The plan of the restart. systemctl runs as root or with `sudo -n`, or as the user whose units they are.
    Raises UsageError for a name that no unit can have."""
    if isinstance(settings, str):
        settings = Systemd.model_construct(unit=settings)
    units = re.split(" +", fill(settings.unit))
    wrong = next((unit for unit in units if not _UNIT.fullmatch(unit)), None)
    if wrong is not None:
        raise UsageError(
            f"restart.systemd: {wrong!r} is not the name of a systemd unit",
            hint="expected a name such as shop.service",
        )
    manager = OF_THE_USER if settings.user else SYSTEM
    plan = _reload if settings.action == RELOAD else _restart
    return plan(manager, units, timeout)


def _restart(manager: Manager, units: list[str], timeout: float) -> RestartPlan:
    several = ", one unit after another" if len(units) > 1 else ""
    return RestartPlan(
        command=lines.restart(manager, units),
        timeout=timeout,
        shown=f"{manager.called} restart {' '.join(units)}{several}" if several else "",
        precheck=lines.may_restart(manager, units),
        proof=Proof(
            observe=lines.observe(manager, units),
            compare=of_units(units, compare_restart),
            compare_life=of_units(units, compare_life),
        ),
        explain=f"{lines.explain(manager, units)}\n{lines.why_not_started(manager, units)}",
        job=_job(manager, units),
    )


def _reload(manager: Manager, units: list[str], timeout: float) -> RestartPlan:
    return RestartPlan(
        command=lines.reload(manager, units),
        timeout=timeout,
        precheck=lines.may_reload(manager, units),
        proof=Proof(
            observe=lines.observe(manager, units),
            compare=of_units(units, compare_reload),
            compare_life=of_units(units, compare_life),
            stopped=partial(none_active, units),
        ),
        explain=lines.explain(manager, units),
        job=_job(manager, units),
        start=lines.start(manager, units),
    )


def _job(manager: Manager, units: list[str]) -> Job:
    return Job(lines.observe(manager, units), partial(under_way, units))
