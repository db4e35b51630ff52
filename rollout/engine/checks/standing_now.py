"""The standing of all servers now; the health pages of nodes that HAProxy finds down altogether are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rollout.decisions.health import fault
from rollout.decisions.standing import Standings, standings
from rollout.domain import Server, Standing
from rollout.engine.health_page import ask
from rollout.engine.site import Site, Survey
from rollout.engine.waiting import run_many
from rollout.errors import RequestFailed

_SHOWN = 3
"""Servers that a note names."""


async def standings_now(site: Site, nodes: Sequence[str], seen: Survey) -> Standings:
    """The standing of each server. Of a node that is down everywhere, its health page says if it is well."""
    down = {state.server for state in seen.states() if state.found_down}
    asked = [name for name in nodes if seen.placement[name] and down.issuperset(seen.placement[name])]
    right = await run_many(_page_is_right(site, name) for name in asked)
    well = {name for name, is_right in zip(asked, right, strict=True) if is_right}
    return standings(seen.readings, seen.placement, well)


def standing_notes(
    name: str, servers: Iterable[Server], standing: Mapping[Server, Standing]
) -> Iterator[str]:
    """The servers of a node that need not be up after a deployment, as sentences."""
    down = [server for server in servers if standing.get(server) is Standing.DOWN]
    alone = [server for server in servers if standing.get(server) is Standing.ALONE]
    if down:
        yield f"{_some(down)} {_is(down)} DOWN before, and may stay DOWN: {name} is well otherwise"
    if alone:
        backends = "its backend" if len(alone) == 1 else "their backends"
        yield (
            f"{_some(alone)} {_is(alone)} alone up in {backends}: {name} is rolled last, and may be DOWN "
            "there afterwards if another node is up"
        )


async def _page_is_right(site: Site, name: str) -> bool:
    health = site.inventory.health
    if health is None:
        return False
    try:
        return not fault(await ask(site.context(name, None), health), health, None)
    except RequestFailed:
        return False


def _some(servers: Sequence[Server]) -> str:
    shown = ", ".join(map(str, servers[:_SHOWN]))
    return shown if len(servers) <= _SHOWN else f"{shown} and {len(servers) - _SHOWN} more"


def _is(servers: Sequence[Server]) -> str:
    return "is" if len(servers) == 1 else "are"
