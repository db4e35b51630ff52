"""`restart.uwsgi`: a uWSGI is reloaded by its master FIFO, and proved on the node by its workers' ids."""

from __future__ import annotations

import posixpath
from functools import partial

from rollout.inventory.restart import Uwsgi
from rollout.remote.agent import file_owner, on_node
from rollout.restart.driver import Fill, RestartPlan


def plan_restart(settings: Uwsgi, timeout: float, fill: Fill) -> RestartPlan:
    fifo = posixpath.normpath(fill(settings.fifo))
    agent = partial(
        on_node,
        "uwsgi.restart",
        acting_for=file_owner(fifo),
        fifo=fifo,
        mode=settings.mode,
        timeout=timeout,
    )
    return RestartPlan(
        timeout=timeout,
        command=agent(check=False),
        shown=f"uwsgi {settings.mode} by {fifo}",
        precheck=agent(check=True),
    )
