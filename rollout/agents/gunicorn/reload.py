"""HUP: gunicorn starts as many new workers as its configuration now says, and lets the old ones finish."""

from __future__ import annotations

import signal

from rollout.agents.common import proc
from rollout.agents.common.talk import say
from rollout.agents.gunicorn.under_way import Restart
from rollout.agents.gunicorn.workers import workers


def reload(restart: Restart) -> None:
    """Replace all workers at once. gunicorn asks the old ones to finish before the new ones are ready, so
    this is only for applications that start at once. Raises Failed."""
    master, count = restart.master, restart.wanted
    old = workers(master)
    proc.send(master, signal.SIGHUP)

    def all_ready() -> bool:
        new = [worker for worker in workers(master) if worker not in old]
        return len(restart.ready_ones(new)) == len(new) == count

    restart.wait_until(all_ready, f"{count} new workers to be ready", within=restart.ready)
    restart.let_finish(old, restart.patience())
    restart.wait_until(all_ready, f"{count} new workers to be ready", within=restart.ready)
    say(f"{count} of {count} workers are new and ready, and none of the {len(old)} old ones is left")
