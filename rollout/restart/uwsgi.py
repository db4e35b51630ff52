"""`restart.uwsgi`: a uWSGI is reloaded by its master FIFO, and proved on the node by its workers' ids."""

from __future__ import annotations

import posixpath
from functools import partial

from rollout.inventory.drivers import Uwsgi
from rollout.on_node import file_owner, on_node
from rollout.restart.driver import Fill, Restarting

_MODULES = ("processes", "uwsgi_settings", "uwsgi_master", "uwsgi_rules", "uwsgi_loading", "uwsgi_refork")


def restarting(settings: Uwsgi, timeout: float, fill: Fill) -> Restarting:
    fifo = posixpath.normpath(fill(settings.fifo))
    agent = partial(
        on_node,
        "uwsgi",
        *_MODULES,
        acting_for=file_owner(fifo),
        fifo=fifo,
        mode=settings.mode,
        timeout=timeout,
    )
    return Restarting(
        timeout=timeout,
        command=agent(check=False),
        shown=f"uwsgi {settings.mode} by {fifo}",
        precheck=agent(check=True),
    )
