"""Releases on the node's disk: a folder for each, and `current`, a link to one of them.

DIRECTORY/releases/RELEASE is complete, since it gets its name last. DIRECTORY/previous is what `current` was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import Iterator, List, Optional

from rollout.agents.common.talk import Failed

_MARK = ".rollout.sha256"
_INCOMING = ".incoming"
_LEAVING = ".leaving"


class Store:
    """The releases in one directory of the node, and the links `current` and `previous` to two of them."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.folder = self.directory / "releases"
        self.current = self.directory / "current"
        self.previous = self.directory / "previous"

    def path(self, release: str) -> Path:
        return self.folder / release

    def digest(self, release: str) -> Optional[str]:
        """The SHA-256 of the archive that a release was unpacked from; None if the release is not there.

        Raises Failed if something else has its name.
        """
        if not os.path.lexists(self.path(release)):
            return None
        try:
            return (self.path(release) / _MARK).read_text().strip()
        except OSError:
            raise Failed(f"{self.path(release)} was not put there by rollout: move it away") from None

    def linked(self, link: Path) -> Optional[str]:
        """The release that a link leads to; None if it leads elsewhere, or is not a link."""
        target = Path(os.path.realpath(link))
        inside = os.path.islink(link) and target.parent == Path(os.path.realpath(self.folder))
        return target.name if inside else None

    def target(self, link: Path) -> Optional[str]:
        """What a link says; None if it is not there."""
        return os.readlink(link) if os.path.lexists(link) else None

    def require_link(self) -> None:
        """Raises Failed if `current` or `previous` is not a link, and so could not be replaced."""
        for link in (self.current, self.previous):
            if os.path.lexists(link) and not link.is_symlink():
                raise Failed(f"{link} is not a symbolic link: move it away with its contents")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folders if they are missing, and keep others from changing them. Raises Failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Failed(f"another upload to {self.folder} is in progress: wait until it has ended") from None
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder that is removed at the end, unless it got its name by then."""
        path = self.folder / _INCOMING
        remove(path)
        path.mkdir()
        try:
            yield path
        finally:
            remove(path)

    def finish(self, path: Path, release: str, digest: str) -> None:
        """Give a release that has arrived in the folder `path` its name, once all of it is on the disk."""
        mark = path / _MARK
        remove(mark)
        mark.write_text(f"{digest}\n")
        flush(path)
        os.utime(path)  # this makes it the newest
        os.rename(path, self.path(release))
        flush_folder(self.folder)

    def switch(self, release: str) -> None:
        """Make a release the current one, in one step. The one that was current becomes the previous one."""
        if self.linked(self.current) == release:
            return
        if os.path.lexists(self.current):
            _link(self.previous, os.readlink(self.current))
        _link(self.current, os.path.join(self.folder.name, release))
        flush_folder(self.directory)

    def switch_back(self, release: str) -> str:
        """Make current again what was so before the switch to a release, and return its name. Raises
        Failed."""
        before = self.target(self.previous)
        if self.linked(self.current) != release or before is None:
            raise Failed(f"{self.current} was not switched to {release} from another release")
        _link(self.previous, os.readlink(self.current))
        _link(self.current, before)
        flush_folder(self.directory)
        return self.linked(self.current) or before

    def prune(self, keep: int, needed: str) -> List[str]:
        """Remove the oldest releases until `keep` are left, and return their names; never remove the current,
        the previous or the `needed` one."""
        remove(self.folder / _LEAVING)
        ours = [entry for entry in self.folder.iterdir() if (entry / _MARK).is_file()]
        newest = sorted(ours, key=lambda entry: entry.stat().st_mtime, reverse=True)
        spared = {needed, self.linked(self.current), self.linked(self.previous)}
        kept = sum(entry.name in spared for entry in ours)
        removed = []
        for entry in newest:
            if entry.name in spared:
                continue
            if kept < keep:
                kept += 1
                continue
            self._remove(entry)
            removed.append(entry.name)
        return removed

    def _remove(self, entry: Path) -> None:
        """Rename a release before it is removed, so that nobody takes half of it for a release."""
        leaving = self.folder / _LEAVING
        os.rename(entry, leaving)
        remove(leaving)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def flush(path: Path) -> None:
    """Flush everything in a folder to disk before returning."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.path.join(folder, name)
            if not os.path.islink(file):
                flush_file(file)
        flush_folder(Path(folder))


def flush_file(file: str) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    flush_file(str(folder))


def _link(link: Path, target: str) -> None:
    new = link.with_name(f".{link.name}.new")
    remove(new)
    os.symlink(target, new)
    os.replace(new, link)
