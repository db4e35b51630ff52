"""The places that keep one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.places.etcd import EtcdPlace
from rollout.adapters.places.folder import FolderPlace
from rollout.adapters.ssh import SshPool
from rollout.ports import Place
from tests.support.debian import Unavailable
from tests.support.etcd import Etcd
from tests.support.etcd_versions import SUITES, program
from tests.support.memory_place import MemoryPlace, Stored
from tests.support.needs import missing
from tests.support.sshd import PROGRAM, Sshd


@pytest.fixture(scope="session", params=SUITES)
def etcd_program(request: pytest.FixtureRequest) -> Path:
    """etcd in each version."""
    return _program(request.param)


@pytest.fixture(scope="module")
def etcd(etcd_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """One member that anybody may use."""
    with Etcd(etcd_program, tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture(scope="session")
def etcds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Etcd]]:
    """An etcd of each version with one member, as soon as it was asked for."""
    running: dict[str, Etcd] = {}
    yield running
    for etcd in running.values():
        etcd.stop()


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A machine that has a folder."""
    if not PROGRAM.exists():
        missing("needs the package openssh-server")
    with Sshd(tmp_path_factory.mktemp("sshd"), address="127.0.0.5") as sshd:
        yield sshd


@pytest.fixture(
    params=[
        "folder",
        "memory",
        pytest.param("folder over ssh", marks=pytest.mark.ssh),
        *(pytest.param(f"etcd {version}", marks=pytest.mark.etcd) for version in SUITES),
    ]
)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A place where nobody has been yet."""
    kind, _, version = request.param.partition(" ")
    async with AsyncExitStack() as opened:
        if kind == "etcd":
            etcds: dict[str, Etcd] = request.getfixturevalue("etcds")
            if version not in etcds:
                folder = request.getfixturevalue("tmp_path_factory").mktemp(f"etcd-{version}")
                etcds[version] = Etcd(_program(version), folder).start()
            place = EtcdPlace(etcds[version].address(), tmp_path.name)
            opened.push_async_callback(place.aclose)
            yield place
        elif kind == "memory":
            yield MemoryPlace(Stored())
        elif version:
            sshd: Sshd = request.getfixturevalue("sshd")
            pool = await opened.enter_async_context(SshPool())
            yield FolderPlace(pool.host("lb1", sshd.target()), "shop", folder=str(tmp_path / "state"))
        else:
            yield FolderPlace(LocalHost("here"), "shop", folder=str(tmp_path / "state"))


def _program(version: str) -> Path:
    try:
        return program(version)
    except Unavailable as reason:
        missing(f"etcd {version}: {reason}")
