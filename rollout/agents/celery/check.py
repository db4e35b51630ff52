"""Whether a Celery worker could be restarted: its app loads, its broker answers, and so does it itself."""

from __future__ import annotations

from typing import Any, Dict

from rollout.agents.celery.app import broker_of, load
from rollout.agents.celery.worker import Worker


def main(told: Dict[str, Any]) -> None:
    app = load(told["app"], told["directory"])
    with broker_of(app) as url:
        Worker(app, told["node"]).require(url)
