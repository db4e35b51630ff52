"""A node that is a server of very many backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.domain import Step
from rollout.events import CommandSent
from tests.support.shop import Shop, shop

pytestmark = pytest.mark.every_haproxy

CHECKED = ("default-server check inter 500ms rise 1", "server web1 {web1}", "server web2 {web2}")


async def statuses(here: Shop) -> tuple[set[str], set[str]]:
    return await here.statuses("web1"), await here.statuses("web2")


@pytest.mark.parametrize(("backends", "buffer"), [(220, 16384), (100, 4096)])
async def test_out_and_back(haproxy_binary: Path, backends: int, buffer: int) -> None:
    """The node leaves all of its backends and returns, whatever HAProxy's buffer holds of the commands."""
    names = [f"backend{number}" for number in range(backends)]
    many = dict.fromkeys(names, CHECKED)
    async with shop(haproxy_binary, many, global_settings=[f"tune.bufsize {buffer}"]) as here:
        here.haproxies["lb1"].focus(names)
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        await rotation.still_out(here.log())
        assert await statuses(here) == ({"MAINT"}, {"UP"})
        await rotation.prove(here.log(Step.VERIFY))
        assert "DRAIN" in (await here.statuses("web1"))
        await rotation.enter(here.log(Step.READY))
        assert await statuses(here) == ({"UP"}, {"UP"})
        assert max(len(event.line) for event in here.told(CommandSent)) > buffer
        await rotation.leave(here.log())
        await rotation.give_back(here.log())
        assert await statuses(here) == ({"UP"}, {"UP"})
