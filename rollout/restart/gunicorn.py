"""`restart.gunicorn`: new workers, or a new master with new workers, started and proved on the node."""

from __future__ import annotations

from rollout.inventory.drivers import Gunicorn
from rollout.on_node import on_node, process_owner
from rollout.restart.driver import Fill, Restarting

_USES = (
    "processes",
    "guard",
    "gunicorn_check",
    "gunicorn_log",
    "gunicorn_ready",
    "gunicorn_workers",
    "gunicorn_reload",
    "gunicorn_rolling",
    "gunicorn_upgrade",
)


def restarting(settings: Gunicorn, timeout: float, fill: Fill) -> Restarting:
    pidfile = fill(settings.pidfile)
    told = {
        "mode": settings.mode,
        "pidfile": pidfile,
        "notify": settings.notify,
        "ready": settings.ready,
        "timeout": timeout,
    }
    owner = process_owner(pidfile)
    return Restarting(
        timeout=timeout,
        command=on_node("gunicorn", *_USES, acting_for=owner, check=False, **told),
        shown=f"gunicorn {settings.mode} of {pidfile}",
        precheck=on_node("gunicorn", *_USES, acting_for=owner, check=True, **told),
    )
