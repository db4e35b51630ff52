"""A folder that is far away: what costs is how often something travels there and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.adapters.ssh import SshPool
from rollout.domain import Completed, Publication, SshTarget
from tests.support.folders import FACTS, ONE
from tests.support.sshd import Sshd
from tests.support.until import until
from tests.support.wire import Wire


@pytest.fixture
def wire(sshd: Sshd) -> Iterator[Wire]:
    with Wire("127.0.0.5", sshd.target().port or 22) as wire:
        yield wire


@pytest.fixture
def target(sshd: Sshd, wire: Wire, tmp_path: Path) -> SshTarget:
    """The machine at the other end of the wire."""
    known_hosts = tmp_path / "known_hosts"
    known = Path(str(sshd.target().known_hosts)).read_text()
    known_hosts.write_text(known.replace("127.0.0.5", wire.address))
    return sshd.target(host=wire.address, port=wire.port, known_hosts=str(known_hosts))


class Counted(LocalHost):
    """A host that counts its lines."""

    lines = 0

    async def run(self, *arguments: Any, **options: Any) -> Completed:
        self.lines += 1
        return await super().run(*arguments, **options)


async def test_a_look_is_one_line(tmp_path: Path) -> None:
    """It finds the folder as well, and so does the line that takes the lock."""
    for number, (take, lines) in enumerate([(False, 1), (True, 2)]):
        host = Counted("lb1")
        place = FolderPlace(host, "shop", folder=str(tmp_path / f"state{number}"))
        if take:
            await place.take(ONE)
        await place.look()
        assert host.lines == lines


@pytest.mark.ssh
async def test_what_a_node_waits_for_is_one_round_trip(target: SshTarget, wire: Wire, tmp_path: Path) -> None:
    """While the lock is held, a shell waits there: facts are safe after one way there and back."""
    clock = asyncio.get_running_loop().time
    async with SshPool() as pool:
        host = pool.host("lb1", target)
        place = FolderPlace(host, "shop", folder=str(tmp_path / "state"))
        epoch = await place.take(ONE)
        assert epoch is not None
        await place.beat(ONE)
        ahead = pool.link(target).sessions._ahead
        await until(lambda: bool(ahead) and all(one.succeeded for one in ahead), "the shell")
        wire.delay = 0.5
        begun = clock()
        await place.publish(ONE, epoch, Publication(1, 0, FACTS))
        assert 1.0 <= clock() - begun < 1.9
        wire.delay = 0.0
        assert list(await place.facts(1)) == FACTS
