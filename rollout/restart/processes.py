"""`restart.processes`: workers that a supervisor replaces on a signal, watched and proved on the node."""

from __future__ import annotations

from rollout.inventory.restart import Processes
from rollout.remote.agent import on_node, process_owner
from rollout.restart.driver import Fill, RestartPlan


def plan_restart(settings: Processes, timeout: float, fill: Fill) -> RestartPlan:
    pidfile, beats = fill(settings.pidfile), fill(settings.beats)
    told = {
        "pidfile": pidfile,
        "signal": settings.signal,
        "beats": beats,
        "ready": settings.ready,
        "drain": settings.drain,
        "log": settings.log and fill(settings.log),
        "timeout": timeout,
    }
    owner = process_owner(pidfile)
    return RestartPlan(
        timeout=timeout,
        command=on_node("processes", acting_for=owner, check=False, **told),
        shown=f"{settings.signal} to the supervisor in {pidfile}, until all that beat in {beats} are new",
        precheck=on_node("processes", acting_for=owner, check=True, **told),
    )
