"""ASGI under gunicorn: a worker is ready when the startup of its lifespan is complete."""

from __future__ import annotations

import itertools

import pytest
from gunicorn_support import GunicornShop

from rollout.agents.common.talk import Untouched

UVICORN = "uvicorn.workers.UvicornWorker"


@pytest.mark.parametrize(
    ("mode", "worker_class"), [("rolling", "asgi"), ("rolling", UVICORN), ("upgrade", UVICORN)]
)
def test_a_lifespan_that_takes_its_time(script: GunicornShop, mode: str, worker_class: str) -> None:
    """With a startup of 1 s there are never less than 3 workers whose startup is complete."""
    script.configure(f"worker_class = {worker_class!r}")
    script.start(app="shop_asgi")
    old = script.workers()
    script.put("2 slow")
    with script.load() as load:
        status, printed = script.restart(mode)
        assert status == 0, printed
        load.until(lambda answer: answer.body == "2", "the new release")
    assert not script.workers() & old
    events = (script.folder / "events").read_text().split()
    up = list(itertools.accumulate(1 if event == "up" else -1 for event in events))
    assert min(up[2:]) == 3, events
    # uvicorn closes connections at its end whose request it has not read yet.
    # uvicorn's worker closes a few connections when it is asked to finish: see docs/drivers/gunicorn.md.
    assert len(load.lost) <= (0 if worker_class == "asgi" else 3), load.lost


@pytest.mark.parametrize(("mode", "worker_class"), [("rolling", UVICORN), ("upgrade", "asgi")])
def test_a_lifespan_that_refuses(script: GunicornShop, mode: str, worker_class: str) -> None:
    """It would end gunicorn for good: the trial finds that, and says it in the application's words."""
    script.configure(f"worker_class = {worker_class!r}")
    script.start(app="shop_asgi")
    old, master = script.workers(), script.master
    script.put("2 refuses")
    with script.load() as load:
        status, printed = script.restart(mode)
    assert status == Untouched.exit_status
    last = printed.splitlines()[-1]
    assert last.startswith("BROKEN: the new code does not start, so nothing was signalled: ")
    assert last.endswith("there is no table words")
    assert (script.master, script.workers(), load.lost) == (master, old, [])
