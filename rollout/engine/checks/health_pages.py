"""Looking at the health pages of nodes before anything is touched."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from rollout.decisions.finding import Finding
from rollout.decisions.health import fault, reported_release
from rollout.decisions.health_pages import PageSeen, page_findings, runs
from rollout.engine.health_page import ask
from rollout.engine.site import Site, Survey
from rollout.engine.waiting import run_many
from rollout.errors import RequestFailed
from rollout.inventory.health import Health

Pages = Mapping[str, PageSeen]
"""Health pages by the names of their nodes."""


async def look_at_pages(
    site: Site, nodes: Sequence[str], *, releasing: bool = True, release: str | None = None
) -> Pages:
    """Ask the nodes' health pages. If a release is deployed (`releasing`), a page must report one where
    `health.release` says so.

    Returns none where the inventory has no `health:`, or where only the new release, `release`, can be right:
    the page's URL or body has it in it.
    """
    health = site.inventory.health
    if health is None or "{release}" in health.http or (release and release in (health.body or "")):
        return {}
    pages = await run_many(_look_twice(site, name, health, releasing=releasing) for name in nodes)
    return dict(zip(nodes, pages, strict=True))


async def judge_pages(
    site: Site,
    pages: Pages,
    seen: Survey | None,
    *,
    releasing: bool = True,
    in_doubt: Collection[str] = (),
    allowed: bool = False,
) -> list[Finding]:
    """The findings about pages that `look_at_pages` saw.

    If all of them fail, all other nodes in rotation are asked, too: one page that is right proves `health:`.
    No node is known to run without a survey (`seen`), nor are those that are `in_doubt`. `allowed` says to
    deploy whatever the pages say.
    """
    if seen is None:
        return [*page_findings(pages, ())]
    if pages and all(page.fault for page in pages.values()):
        others = [name for name in site.inventory.nodes if name not in pages and _in_rotation(seen, name)]
        pages = {**pages, **await look_at_pages(site, others, releasing=releasing)}
    listed = bool(site.load_balancers)
    running = {
        name
        for name, page in pages.items()
        if name not in in_doubt and runs(page, seen.states(name) if listed else None)
    }
    return [*page_findings(pages, running, allowed=allowed)]


def reported_releases(pages: Pages) -> Mapping[str, str]:
    """The releases that pages report, by the node's name; a node whose page reports none is missing."""
    return {name: page.release for name, page in pages.items() if page.release}


async def _look_twice(site: Site, name: str, health: Health, *, releasing: bool) -> PageSeen:
    """A node's page; asked again if it was not right, since it may have been so for a moment only."""
    page = await _look(site, name, health, releasing=releasing)
    if page.fault:
        await asyncio.sleep(health.interval)
        page = await _look(site, name, health, releasing=releasing)
    return page


async def _look(site: Site, name: str, health: Health, *, releasing: bool) -> PageSeen:
    context = site.context(name, None)
    url = context.fill(health.http)
    try:
        answer = await ask(context, health)
    except RequestFailed as error:
        return PageSeen(url, None, fault=f": {error}")
    release = reported_release(answer, health)
    wrong = fault(answer, health, None)
    if not wrong and releasing and health.release is not None and release is None:
        wrong = "does not report a release, so no node would count as healthy after a deploy"
    return PageSeen(url, answer, release, f" {wrong}" if wrong else "")


def _in_rotation(seen: Survey, name: str) -> bool:
    return any(state.in_rotation for state in seen.states(name))
