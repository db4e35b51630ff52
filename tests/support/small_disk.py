"""A small disk of its own, which a test may fill, or let be read alone. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.users import need_root


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 256 kB that is mounted at the new folder `folder`."""
    need_root()
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", folder)
    try:
        yield folder
    finally:
        _run("umount", "--lazy", folder)


def remount(disk: Path, how: str) -> None:
    """Let the disk be read alone, by `ro`, or be written again, by `rw`."""
    _run("mount", "-o", f"remount,{how}", disk)


def fill(filler: Path, left: int = 0) -> None:
    """Fill the disk of a file but for `left` pages of the kernel's."""
    filler.write_bytes(b"")
    room = os.statvfs(filler).f_bavail - left
    filler.write_bytes(b"x" * max(0, room * os.statvfs(filler).f_frsize))


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
