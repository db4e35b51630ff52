"""The lock's signs of life go out whatever else is done over SSH."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from rollout.cli.wiring import open_site
from rollout.domain import LockHolder
from tests.support.sshd import Sshd
from tests.support.states import inventory
from tests.support.until import until

StartSshd = Callable[..., Sshd]
HOLDER = LockHolder("t" * 32, "ann", "laptop", 1, time.time(), "deploy 2")


async def test_commands_that_use_every_session_do_not_keep_it_from_its_sign_of_life(
    start_sshd: StartSshd, tmp_path: Path
) -> None:
    """A node is on the load balancer's machine, whose sshd allows one session a connection, and its command
    runs for long: the lock is taken, gives its sign of life, and is given up meanwhile."""
    # Logins take long on a busy machine: sshd must turn none of so many away.
    sshd = start_sshd(options=("MaxSessions 1", "MaxStartups 100"))
    begun = tmp_path / "begun"
    target = sshd.target()
    given = inventory(
        service=f"shop-{sshd.port}",
        load_balancers={
            "lb1": {"haproxy": f"ssh://{target.user}@{target.host}:{target.port}/run/haproxy.sock"}
        },
        nodes={"web1": {"host": target.host}},
        ssh={
            "user": target.user,
            "port": target.port,
            "identity_file": target.identity_file,
            "known_hosts": target.known_hosts,
        },
    )
    async with open_site(given) as site:
        lines = [f"touch {begun}; sleep 600"] * 9
        running = [
            asyncio.create_task(site.hosts["web1"].run(line, environment={}, timeout=600)) for line in lines
        ]
        await until(begun.exists, "the first command", within=60)
        async with asyncio.timeout(60):
            place = (await site.meeting()).place
            assert await place.take(HOLDER)
            await place.beat(HOLDER)
            await place.drop(HOLDER)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
