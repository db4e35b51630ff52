"""What HAProxy's configuration does to clients is known before the first node is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rollout.decisions.finding import Finding, Level
from rollout.engine.by_hand import drain_node
from rollout.engine.checks.check import check
from rollout.engine.checks.preflight import make_plan, require_safe
from rollout.engine.site import survey
from rollout.errors import Refused, StepFailure
from rollout.events import CommandSent
from tests.engine.test_pinned import CHECK, COOKIE, CUTTING, NAMED
from tests.support.shop import Shop, shop
from tests.support.site import inventory, site

BACKUP = (
    *CHECK,
    "server web1 {web1} on-marked-up shutdown-backup-sessions",
    "server web2 {web2}",
    "server spare {web2} backup",
)


async def preflight(here: Shop, **drain: Any) -> Sequence[str]:
    """The warnings of a plan that is safe. Raises Refused for one that is not."""
    async with site(here, inventory(here, drain={"timeout": "5s", **drain})) as where:
        plan, seen = await make_plan(where, list(here.apps), None, ours={})
        plan = await require_safe(where, plan, seen, allow_outage=True)
        return plan.warnings


async def checked(here: Shop, **drain: Any) -> list[Finding]:
    async with site(here, inventory(here, drain={"timeout": "5s", **drain})) as where:
        return await check(where, list(here.apps))


def about(findings: Sequence[Finding], text: str) -> Finding:
    """The only finding with this text."""
    (found,) = [each for each in findings if text in each.text]
    return found


@pytest.mark.parametrize("line", ["option persist", "force-persist if {{ path / }}"])
async def test_clients_that_maintenance_does_not_move(haproxy_binary: Path, line: str) -> None:
    """The deployment is refused, and a drain by hand as well, with file and line; nothing was sent."""
    async with shop(haproxy_binary, {"shop": (line, *CHECK, *COOKIE)}) as here:
        config = here.balancers[0].folder / "haproxy.cfg"
        number = next(n for n, text in enumerate(config.read_text().splitlines(), 1) if "persist" in text)
        place = re.escape(f"lb1: {config}:{number}: `{line.format()}` keeps pinned clients")
        with pytest.raises(Refused, match=place) as refused:
            await preflight(here)
        assert refused.value.hint is not None
        assert "remove it" in refused.value.hint
        assert about(await checked(here), "keeps pinned clients").level is Level.PROBLEM
        async with site(here, inventory(here)) as where:
            with pytest.raises(StepFailure, match=place):
                await drain_node(where, "web1", await survey(where), here.events.append, allow_outage=False)
        assert here.told(CommandSent) == []


async def test_what_pins_nobody_persists_nothing(haproxy_binary: Path) -> None:
    """`option persist` without anything that pins clients is no reason to refuse."""
    async with shop(haproxy_binary, {"shop": ("option persist", *CHECK, *NAMED)}) as here:
        await preflight(here)
        assert about(await checked(here), "keeps pinned clients").level is Level.WARNING


async def test_pinned_clients_where_maintenance_cuts(haproxy_binary: Path) -> None:
    """The deployment warns at its start that it waits for them, and what to remove."""
    async with shop(haproxy_binary, {"shop": CUTTING}) as here:
        (warning,) = [text for text in await preflight(here) if "pinned" in text]
        assert warning.startswith(f"lb1: {here.balancers[0].folder}/haproxy.cfg:")
        assert "times out if its clients never pause" in warning
        finding = about(await checked(here), "clients are pinned")
        assert finding.level is Level.WARNING
        assert "remove `on-marked-down shutdown-sessions`" in str(finding.hint)


async def test_pinned_clients_that_are_moved(haproxy_binary: Path) -> None:
    """No deployment warns of them; the check says what becomes of them, as the inventory has it."""
    async with shop(haproxy_binary, {"shop": (*CHECK, *COOKIE)}) as here:
        assert [text for text in await preflight(here) if "pinned" in text] == []
        assert "right after the drain" in str(about(await checked(here), "clients are pinned").hint)
        waits = about(await checked(here, pinned="wait"), "clients are pinned")
        assert "with `drain.pinned: wait`, a drain times out" in waits.text


async def test_backups_whose_sessions_are_cut(haproxy_binary: Path) -> None:
    """`on-marked-up shutdown-backup-sessions` is found and warned of, where there is a backup."""
    async with shop(haproxy_binary, {"shop": BACKUP}) as here:
        cut = "web1 with `on-marked-up shutdown-backup-sessions`: a node that comes back cuts"
        assert [cut in text for text in await preflight(here)].count(True) == 1
        assert about(await checked(here), cut).level is Level.WARNING
    async with shop(haproxy_binary, {"shop": BACKUP[:-1]}) as here:
        assert [text for text in await preflight(here) if "backup" in text] == []


async def test_lines_that_are_not_loaded_yet(haproxy_binary: Path) -> None:
    """A file that was changed after HAProxy was started decides nothing, and the check says so."""
    async with shop(haproxy_binary, {"shop": ("option persist", *CHECK, *COOKIE)}) as here:
        config = here.balancers[0].folder / "haproxy.cfg"
        later = (await here.haproxies["lb1"].read()).started + 2
        os.utime(config, (later, later))
        await preflight(here)
        assert about(await checked(here), "after HAProxy was started").text.startswith(str(config))


async def test_a_machine_that_cannot_be_asked(haproxy_binary: Path) -> None:
    """A configuration that cannot be read is no error; the check says what the inventory can say instead."""
    async with shop(haproxy_binary, {"shop": ("option persist", *CHECK, *COOKIE)}) as here:
        (here.balancers[0].folder / "haproxy.cfg").unlink()
        await preflight(here)
        assert "`drain.pinned: move`" in str(about(await checked(here), "was not checked").hint)
        assert about(await checked(here, pinned="move"), "was not checked").hint is None
