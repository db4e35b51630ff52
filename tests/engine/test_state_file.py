"""HAProxy's state file, written when a server goes out and when it is back: a reload changes neither."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.engine.checks.preflight import make_plan
from rollout.events import Warned
from rollout.remote.state_file import look, remove, write
from tests.support.shop import CHECKED, shop
from tests.support.site import inventory, site
from tests.support.visitors import crowd

pytestmark = pytest.mark.every_haproxy


async def test_a_drain_survives_a_reload(haproxy_binary: Path) -> None:
    """HAProxy is reloaded twice while a node is out: it gets no request, and nothing is sent again."""
    async with (
        shop(haproxy_binary, balancers=2) as here,
        crowd(here.balancers[0], "shop", fresh=True),
    ):
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        for lb in here.balancers:
            await lb.reload(as_it_is=True)
            await lb.reload(as_it_is=True)
        sent = len(here.events)
        await rotation.still_out(here.log())
        assert len(here.events) == sent
        assert {(s.status, s.total_sessions) for s in (await here.states()).values()} == {("MAINT", 0)}


def timeless(states: str) -> list[list[str]]:
    """Without the seconds since the last change, and what checks do in the moment."""
    rows = (line.split(" ") for line in states.strip().splitlines())
    return [row[:9] for row in rows]


@pytest.mark.parametrize("before", ["", "1\n# be_id be_name\n"])
async def test_a_node_that_is_back_stays_back(haproxy_binary: Path, before: str) -> None:
    """A reload after the node's return finds it in rotation; a file that nobody else writes is gone again."""
    async with shop(haproxy_binary) as here:
        (lb,) = here.balancers
        lb.state_file.write_text(before)
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        assert timeless(lb.state_file.read_text()) == timeless(await lb.ask("show servers state"))
        await rotation.prove(here.log())
        await rotation.enter(here.log())
        assert lb.state_file.exists() == bool(before)
        await lb.reload(as_it_is=True)
        assert all(state.in_rotation for state in (await here.states()).values())


async def test_it_stays_while_another_node_is_out(haproxy_binary: Path) -> None:
    """The file is gone with the last node that comes back, not with the first."""
    async with shop(haproxy_binary, {"shop": (*CHECKED, "server web3 {web3}")}, nodes=3) as here:
        one, two = here.rotation("web1"), here.rotation("web2")
        for rotation in (one, two):
            await rotation.leave(here.log())
            await rotation.drained(here.log())
        await one.give_back(here.log())
        await here.balancers[0].reload(as_it_is=True)
        assert all(state.in_rotation for state in (await here.states("web1")).values())
        assert await here.statuses("web2") == {"MAINT"}
        await two.give_back(here.log())
        assert not here.balancers[0].state_file.exists()


async def test_one_that_cannot_be_written_is_told_beforehand(haproxy_binary: Path, tmp_path: Path) -> None:
    """The plan warns of it, once for each load balancer, and a drain goes on without."""
    async with (
        shop(haproxy_binary, state_file=tmp_path / "missing" / "state") as here,
        site(here, inventory(here)) as where,
    ):
        plan, _ = await make_plan(where, list(here.apps), None, ours={})
        (warning,) = [text for text in plan.warnings if "reload" in text]
        assert warning.startswith(f"lb1: {here.balancers[0].state_file} is not writable")
        rotation = where.rotation(where.context("web1", None), plan.placement["web1"])
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        assert here.told(Warned) == []


async def test_one_that_fails_meanwhile_is_told_once(haproxy_binary: Path, tmp_path: Path) -> None:
    """A file that can no longer be written ends nothing, and is told at the first time."""
    folder = tmp_path / "states"
    folder.mkdir()
    async with shop(haproxy_binary, state_file=folder / "state") as here:
        assert await here.state_files["lb1"].look() == ""
        folder.rmdir()
        rotation = here.rotation()
        await rotation.leave(here.log())
        await rotation.drained(here.log())
        (warned,) = here.told(Warned)
        assert f"lb1: {folder}/state could not be written" in warned.message


def run(line: str) -> tuple[int, tuple[str, ...]]:
    done = asyncio.run(LocalHost("lb1").run(line, environment={}, timeout=10))
    return done.status, done.tail


TEXT = '1\n# it\'s "$(touch never)" `x` %s \\n\n' + "row\n" * 60_000 + "\n"


def test_what_is_written_is_what_was_shown(tmp_path: Path) -> None:
    """Byte for byte, however long; through a link, with the file's mode; and nothing is left beside it."""
    file, link = tmp_path / "it's a file", tmp_path / "link"
    assert run(look(str(file))) == (0, ())
    link.symlink_to(file)
    assert run(write(str(link), "other")) == (0, ())
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.chmod(0o660)
    assert run(write(str(link), TEXT)) == (0, ())
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert file.read_text() == TEXT
    assert link.is_symlink()
    assert run(look(str(link))) == (0, ("kept",))
    assert run(remove(str(link))) == (0, ())
    assert sorted(tmp_path.iterdir()) == [link]


def test_what_cannot_be_written_fails(tmp_path: Path) -> None:
    """Where there is no folder, both the look and the writing say so."""
    assert run(look(str(tmp_path / "no" / "file")))[0] != 0
    assert run(write(str(tmp_path / "no" / "file"), TEXT))[0] != 0
