from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.ssh import SshPool
from rollout.ports import Host
from tests.support.sshd import PROGRAM, Sshd

StartSshd = Callable[..., Sshd]
Use = Callable[[Callable[[Host], Awaitable[object]]], object]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, so that nobody's keys, agent or ssh_config play a part."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def start_sshd(tmp_path: Path) -> Iterator[StartSshd]:
    """Starts any number of sshd; they are stopped when the test ends."""
    if not PROGRAM.exists():
        pytest.skip("needs the package openssh-server")
    with ExitStack() as running:

        def start(name: str = "sshd", **options: Any) -> Sshd:
            return running.enter_context(Sshd(tmp_path / name, **options))

        yield start


@pytest.fixture
def sshd(start_sshd: StartSshd) -> Sshd:
    return start_sshd(address="127.0.0.5")


@pytest.fixture(params=["local", "ssh"])
def use(request: pytest.FixtureRequest) -> Use:
    """Runs an async function with a host of each kind."""

    @contextlib.asynccontextmanager
    async def host() -> AsyncIterator[Host]:
        if request.param == "local":
            yield LocalHost("web1")
            return
        sshd: Sshd = request.getfixturevalue("sshd")
        async with SshPool() as pool:
            yield pool.host("web1", sshd.target())

    def run(work: Callable[[Host], Awaitable[object]]) -> object:
        async def with_host() -> object:
            async with host() as opened:
                await opened.connect()
                return await work(opened)

        return asyncio.run(with_host())

    return run
