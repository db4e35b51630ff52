"""HAProxy checks less often than the time-outs allow for: rollout waits for the next checks all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollout.domain import Step
from rollout.errors import StepFailure
from tests.engine.test_page import by_file
from tests.support.shop import CHECKED, shop
from tests.support.site import inventory, page_rotation, site
from tests.support.until import until_seen

pytestmark = pytest.mark.every_haproxy

BY_CHECK = "option httpchk GET /_check"
SELDOM = {"shop": (BY_CHECK, "default-server check inter 1500ms rise 2 fall 2", *CHECKED[2:])}
OFTEN = {"shop": (BY_CHECK, "default-server check inter 50ms rise 2 fall 2", *CHECKED[2:])}


@pytest.mark.parametrize("apart", [False, True], ids=["configuration read", "configuration unknown"])
async def test_the_first_check_is_waited_for(haproxy_binary: Path, *, apart: bool) -> None:
    """The last result that HAProxy shows is from before: it says nothing of the node as it is now."""
    async with shop(haproxy_binary, SELDOM) as here:
        rotation = here.rotation(rejoin_timeout=0.1, apart=apart)
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await rotation.prove(here.log(Step.VERIFY))
        await rotation.enter(here.log(Step.READY))
        assert await here.statuses() == {"UP"}


@pytest.mark.parametrize("apart", [False, True], ids=["configuration read", "configuration unknown"])
async def test_a_check_that_fails_is_not_waited_for(haproxy_binary: Path, *, apart: bool) -> None:
    """Once HAProxy has checked, and found the node ill, the time-out holds."""
    async with shop(haproxy_binary, OFTEN) as here:
        rotation = here.rotation(rejoin_timeout=0.5, apart=apart)
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        here.apps["web1"].pages["/_check"].status = 503
        with pytest.raises(StepFailure, match=r"within 0\.5 s: shop/web1 on lb1 shows L7STS") as caught:
            await rotation.prove(here.log(Step.VERIFY))
        assert caught.value.hint == "the node answers its health page, but fails HAProxy's own check"


async def test_a_node_that_was_down_gets_two_intervals(haproxy_binary: Path) -> None:
    """A deployment brings it up again, although the last check that HAProxy shows has failed."""
    async with shop(haproxy_binary, SELDOM) as here:
        page = here.apps["web1"].pages["/_check"]
        rotation = here.rotation(rejoin_timeout=0.1)
        page.status = 503
        await here.haproxies["lb1"].send(["set server shop/web1 health down"])

        async def checked() -> bool:
            return (await here.states())["lb1 shop"].check_status == "L7STS"

        await until_seen(checked, "a check that fails")
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        page.status = 200
        await rotation.prove(here.log(Step.VERIFY))


async def test_the_health_page_is_given_its_checks(haproxy_binary: Path, tmp_path: Path) -> None:
    """Draining by the page takes `fall` checks, and coming back `rise`, whatever the time-outs say."""
    check = ("option httpchk GET /_status", "default-server check inter 600ms rise 2 fall 2")
    backend = {"shop": (*check, *CHECKED[2:])}
    health = {"http": "http://{host}:8000/_status", "interval": "10ms", "timeout": "200ms"}
    async with shop(haproxy_binary, backend) as here:
        drain: dict[str, Any] = {**by_file(here, tmp_path), "timeout": "200ms"}
        async with site(here, inventory(here, drain=drain, health=health)) as where:
            rotation = page_rotation(here, where)
            await rotation.leave(here.log())
            await rotation.drained(here.log())
            assert await here.statuses() == {"DOWN"}
            await rotation.enter(here.log(Step.READY))
            assert await here.statuses() == {"UP"}
