"""`restart: runit`, as an inventory names it and people are shown it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rollout.inventory.restart import Restart
from rollout.restart.runit import plan_restart


def test_it_is_shown_in_a_line() -> None:
    """People see what runs, with its placeholders filled in, in place of the program."""
    one = plan_restart("shop-{node}", 30.0, lambda text: text.format(node="web1"))
    assert (one.shown, one.timeout) == ("sv restart shop-web1", 30.0)
    several = plan_restart("shop-1  /srv/shop-2", 30.0, str)
    assert several.shown == "sv restart shop-1 /srv/shop-2, one service after another"


@pytest.mark.parametrize("services", ["", " ", "-v", "shop -v", "shop\nother", " shop"])
def test_what_cannot_be_services_is_a_mistake_of_the_inventory(services: str) -> None:
    """An option of `sv` is no service, either."""
    with pytest.raises(ValidationError, match="expected one or more services"):
        Restart(runit=services)
