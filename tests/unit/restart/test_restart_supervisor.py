"""`restart: supervisor`, as an inventory names it and people are shown it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rollout.inventory.restart import Restart
from rollout.restart import plan_restart


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ("shop:{node}", "supervisorctl restart shop:web1, one process after another"),
        ({"program": "shop:* mail"}, "supervisorctl restart shop:* mail, one process after another"),
    ],
)
def test_it_is_shown_in_a_line(settings: object, shown: str) -> None:
    """People see what runs, with its placeholders filled in, in place of the program."""
    made = plan_restart(Restart(supervisor=settings), lambda text: text.replace("{node}", "web1"))
    assert made.shown == shown


def test_where_it_is_found_is_sent() -> None:
    """A program and a configuration of its own, for each node."""
    settings = {"program": "shop", "supervisorctl": "/srv/{node}/ctl", "configuration": "/srv/{node}/conf"}
    made = plan_restart(Restart(supervisor=settings), lambda text: text.replace("{node}", "web1"))
    sent = "'supervisorctl': '/srv/web1/ctl', 'configuration': '/srv/web1/conf'"
    assert sent in (made.command or "")


@pytest.mark.parametrize("programs", ["", "-c", "shop -c /x", "shop\nmail"])
def test_what_cannot_be_programs_is_a_mistake_of_the_inventory(programs: str) -> None:
    """An option of supervisorctl is no program, either."""
    with pytest.raises(ValidationError, match="expected one or more programs"):
        Restart(supervisor=programs)
