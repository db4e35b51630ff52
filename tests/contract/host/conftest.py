from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.ssh import SshPool
from rollout.domain import SshTarget
from rollout.ports import Host
from tests.support.needs import missing
from tests.support.sshd import PROGRAM, Sshd

StartSshd = Callable[..., Sshd]


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
        missing("needs the package openssh-server")
    with ExitStack() as running:

        def start(name: str = "sshd", **options: Any) -> Sshd:
            return running.enter_context(Sshd(tmp_path / name, **options))

        yield start


@pytest.fixture
def sshd(start_sshd: StartSshd) -> Sshd:
    return start_sshd(address="127.0.0.5")


@pytest.fixture(params=["local", "ssh"])
def target(request: pytest.FixtureRequest) -> SshTarget | None:
    """How a host of each kind is reached; None is this machine without SSH."""
    if request.param == "local":
        return None
    sshd: Sshd = request.getfixturevalue("sshd")
    return sshd.target()


@pytest.fixture
async def host(target: SshTarget | None) -> AsyncIterator[Host]:
    """A connected host of each kind."""
    async with SshPool() as pool:
        host: Host = LocalHost("web1") if target is None else pool.host("web1", target)
        await host.connect()
        yield host
