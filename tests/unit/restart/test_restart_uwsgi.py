"""`restart: uwsgi`, as an inventory names it and people are shown it."""

from __future__ import annotations

from rollout.inventory.restart import Uwsgi
from rollout.restart.uwsgi import plan_restart


def test_it_is_shown_in_a_line() -> None:
    """People see the mode and the FIFO, with its placeholders filled in, in place of the program."""
    made = plan_restart(
        Uwsgi(fifo="/run//{node}.fifo", mode="chain"), 30.0, lambda text: text.format(node="web1")
    )
    assert made.shown == "uwsgi chain by /run/web1.fifo"
    assert made.timeout == 30
    assert made.command is not None
    assert made.precheck is not None
    assert "'check': False" in made.command
    assert "'check': True" in made.precheck
