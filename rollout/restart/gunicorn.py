"""`restart.gunicorn`: new workers, or a new master with new workers, started and proved on the node."""

from __future__ import annotations

from rollout.inventory.restart import Gunicorn
from rollout.remote.agent import on_node, process_owner
from rollout.restart.driver import Fill, RestartPlan


def plan_restart(settings: Gunicorn, timeout: float, fill: Fill) -> RestartPlan:
    pidfile = fill(settings.pidfile)
    told = {
        "mode": settings.mode,
        "pidfile": pidfile,
        "notify": settings.notify,
        "ready": settings.ready,
        "timeout": timeout,
    }
    owner = process_owner(pidfile)
    return RestartPlan(
        timeout=timeout,
        command=on_node("gunicorn.restart", acting_for=owner, check=False, **told),
        shown=f"gunicorn {settings.mode} of {pidfile}",
        precheck=on_node("gunicorn.restart", acting_for=owner, check=True, **told),
    )
