"""The lock as a folder, on a real file system, by real shell lines."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.local import LocalHost
from rollout.adapters.lock import FolderLock
from rollout.domain import LockHolder, LockRequests
from rollout.engine.locking import locked
from rollout.engine.permission import Permission
from rollout.errors import HostError, LockLost, Refused

ONE = LockHolder("1" * 32, "ann", "laptop", 17, 1_700_000_000.0, "deploy 1.4.2")
ASKED: dict[str, Any] = {"halt": print, "promote": print, "permission": Permission()}
OTHER = dataclasses.replace(ONE, token="2" * 32, user="bob", purpose="restart")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "shop.lock"


@pytest.fixture
def lock(folder: Path) -> FolderLock:
    return FolderLock(LocalHost("here"), str(folder))


def alive(_: LockHolder) -> bool:
    return False


async def test_one_takes_it_and_the_other_sees_who_holds_it(lock: FolderLock) -> None:
    """Until it is dropped; then the other one may have it."""
    assert await lock.held() is None
    assert await lock.take(ONE)
    assert not await lock.take(OTHER)
    held = await lock.held()
    assert held is not None
    assert held.holder == ONE
    assert 0 <= held.silent < 5
    await lock.drop(ONE)
    assert await lock.take(OTHER)


async def test_of_many_at_once_one_gets_it(lock: FolderLock, folder: Path) -> None:
    """However they meet, and nothing of the others is left behind."""
    many = [dataclasses.replace(ONE, token=f"{number:032}") for number in range(20)]
    taken = await asyncio.gather(*(lock.take(holder) for holder in many))
    held = await lock.held()
    assert taken.count(True) == 1
    assert held is not None
    assert held.holder == many[taken.index(True)]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


async def test_only_its_holder_drops_it_and_learns_that_it_is_lost(lock: FolderLock) -> None:
    """Who lost the lock to another one cannot take it away again."""
    await lock.take(ONE)
    await lock.drop(OTHER)
    assert await lock.beat(ONE) == LockRequests()
    await lock.drop(ONE)
    await lock.take(OTHER)
    with pytest.raises(LockLost):
        await lock.beat(ONE)
    await lock.drop(ONE)
    assert await lock.beat(OTHER) == LockRequests()


async def test_a_holder_is_asked_to_halt(lock: FolderLock) -> None:
    """At its next sign of life it learns who asked; nobody can be asked where nobody holds the lock."""
    assert not await lock.ask("halt", "bob on desk")
    await lock.take(ONE)
    assert await lock.ask("halt", "bob on desk")
    assert await lock.beat(ONE) == LockRequests(halt="bob on desk")


async def test_a_holder_is_asked_to_go_on_once(lock: FolderLock) -> None:
    """What was asked before a pause is not taken for what is asked in the next."""
    await lock.take(ONE)
    assert await lock.ask("promote", "bob on desk")
    assert await lock.beat(ONE) == LockRequests(promote="bob on desk")
    assert await lock.beat(ONE) == LockRequests()


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """With what the host said, and no lock is taken for granted."""
    (tmp_path / "file").touch()
    lock = FolderLock(LocalHost("here"), str(tmp_path / "file" / "shop.lock"))

    with pytest.raises(HostError, match="cannot be used"):
        await lock.take(ONE)


def test_a_folder_that_is_no_lock_is_left_alone(lock: FolderLock, folder: Path) -> None:
    """Somebody else's folder of that name is said to be none of ours."""
    folder.mkdir(parents=True)
    (folder / "holder").write_text("precious\n")

    with pytest.raises(HostError, match="exists but is not a lock of rollout"):
        asyncio.run(lock.held())
    assert (folder / "holder").read_text() == "precious\n"


async def test_the_lock_is_held_for_as_long_as_the_work_takes(lock: FolderLock) -> None:
    """A second one is refused with the first one's name, and gets it afterwards."""
    async with locked(lock, ONE, wait=0, is_dead=alive, **ASKED):
        with pytest.raises(Refused, match=r"ann on laptop \(deploy 1.4.2, process 17\) holds the lock"):
            async with locked(lock, OTHER, wait=0, is_dead=alive, **ASKED):
                pass
    async with locked(lock, OTHER, wait=0, is_dead=alive, **ASKED):
        pass
    assert await lock.held() is None


async def test_who_waits_gets_it_when_it_is_free(lock: FolderLock) -> None:
    """Without being refused meanwhile."""
    await lock.take(ONE)

    async def wait() -> None:
        async with locked(lock, OTHER, wait=30, is_dead=alive, **ASKED):
            pass

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    await lock.drop(ONE)
    async with asyncio.timeout(10):
        await waiting


def silent(lock: FolderLock, folder: Path) -> Awaitable[bool]:
    long_ago = time.time() - 3600
    os.utime(folder / "beat", (long_ago, long_ago))
    return _takes(lock, alive)


def gone(lock: FolderLock, folder: Path) -> Awaitable[bool]:
    return _takes(lock, lambda holder: holder == ONE)


async def _takes(lock: FolderLock, is_dead: Callable[[LockHolder], bool]) -> bool:
    async with locked(lock, OTHER, wait=0, is_dead=is_dead, **ASKED):
        held = await lock.held()
        return held is not None and held.holder == OTHER


@pytest.mark.parametrize("left", [silent, gone])
async def test_a_lock_that_a_crash_left_is_taken_over(
    lock: FolderLock, folder: Path, left: Callable[[FolderLock, Path], Awaitable[bool]]
) -> None:
    """One whose holder gives no sign of life, or is a process of this machine that is dead."""
    await lock.take(ONE)
    assert await left(lock, folder)


async def test_after_a_long_sleep_the_lock_is_asked_before_anything_is_touched(lock: FolderLock) -> None:
    """Permission comes with the next sign of life; where somebody else took over meanwhile, it is refused."""
    permission, halted = Permission(), list[str]()
    asked: dict[str, Any] = {"halt": halted.append, "promote": print, "permission": permission}
    loop: Any = asyncio.get_running_loop()
    loop.slept = 0.0
    async with locked(lock, ONE, wait=0, is_dead=alive, **asked):
        loop.slept = 60.0
        await permission.ask()
        await lock.drop(ONE)
        await permission.ask()  # a moment ago it was there
        await lock.take(OTHER)
        loop.slept = 120.0
        for _ in range(2):
            with pytest.raises(LockLost):
                await permission.ask()
        assert set(halted) == {f"somebody broke the lock {lock.where}"}
    await permission.ask()
    assert await lock.beat(OTHER) == LockRequests()


async def test_after_a_long_sleep_the_host_of_the_lock_is_waited_for(lock: FolderLock, folder: Path) -> None:
    """A network that comes back a little later than its machine does not end the work."""
    permission = Permission()
    asked: dict[str, Any] = {"halt": print, "promote": print, "permission": permission}
    loop: Any = asyncio.get_running_loop()
    loop.slept = 0.0
    async with locked(lock, ONE, wait=0, is_dead=alive, **asked):
        tries: list[HostError] = []
        beat = lock.beat

        async def away(holder: LockHolder) -> LockRequests:
            if not tries:
                tries.append(HostError("lb1", "no answer"))
                raise tries[0]
            return await beat(holder)

        lock.beat = away  # type: ignore[method-assign]
        loop.slept = 60.0
        await permission.ask()
        assert tries
