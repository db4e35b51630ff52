"""Folders as places, and logins of this machine that use them."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal

from rollout.adapters.local import LocalHost
from rollout.adapters.places.folder import FolderPlace
from rollout.domain import Completed, LockHolder, Publication

ONE = LockHolder("1" * 32, "ann", "laptop", 17, 1_700_000_000.0, "deploy 1.4.2", "boot", "pid:[1]", 4711)
OTHER = dataclasses.replace(ONE, token="2" * 32, user="bob")
FACTS = [f'{{"number": {number}}}' for number in range(6)]


class Login(LocalHost):
    """A login on this machine: `become` are the words that make the words after them run as another one."""

    def __init__(self, *become: str) -> None:
        super().__init__("lb1")
        self._become = become

    async def _run(
        self,
        wrapper: str,
        written: AsyncIterator[bytes],
        timeout: float,
        output: Callable[[str], None] | None,
    ) -> Completed:
        words = shlex.join([*self._become, "sh", "-c", wrapper])
        return await super()._run(f"exec {words}", written, timeout, output)


def user(name: str, group: str) -> tuple[str, ...]:
    """The words that become another user of this machine, in one group."""
    return ("setpriv", f"--reuid={name}", f"--regid={group}", "--clear-groups", "env", "HOME=/nowhere")


def folder(
    base: Path | str,
    *become: str,
    socket: Path | str = "",
    meeting: Literal["machine", "login"] = "login",
) -> FolderPlace:
    """The place of the service `shop` in a folder, for whoever these words become."""
    return FolderPlace(Login(*become), "shop", folder=str(base), socket=str(socket), meeting=meeting)


def make(path: Path, mode: int, group: int = -1) -> Path:
    """A new folder of that mode, whatever the umask."""
    path.mkdir()
    os.chown(path, -1, group)
    path.chmod(mode)
    return path


def inside(path: Path) -> dict[str, str]:
    """The mode of a folder and of all that is in it, by name, in octal digits."""
    found = [path, *path.rglob("*")]
    return {str(each.relative_to(path)): f"{each.stat().st_mode & 0o7777:o}" for each in found}


async def used(place: FolderPlace) -> int:
    """Leave all that a place may hold. Returns the epoch."""
    epoch = await place.take(ONE)
    assert epoch is not None
    await place.ask("halt", "cid")
    await place.ask("promote", "cid")
    await place.publish(ONE, epoch, Publication(1, 0, FACTS, memory="{}", summary="{}"))
    return epoch
