"""Files and folders of this machine that are sent to nodes: read for their hash, and again to be sent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from rollout.adapters.archive_kinds import require_unpackable
from rollout.domain import Content
from rollout.errors import SourceError

_PIECE = 1 << 16
"""Bytes that are read at once."""
_OFTEN = 8 << 20
"""Bytes after which the page cache is told to forget a file."""

Pieces = Callable[[], Iterator[bytes]]


class LocalSources:
    """Implements `Sources`. Each source is read once for its hash; one that has changed since is not sent."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, bool], Content] = {}
        self._looking = asyncio.Lock()

    async def archive(self, path: Path) -> Content:
        """The bytes of a file, as `Sources.archive` says."""
        return await self._content(path, packed=False)

    async def packed(self, path: Path) -> Content:
        """A tar archive of a file or folder, as `Sources.packed` says."""
        return await self._content(path, packed=True)

    async def _content(self, path: Path, *, packed: bool) -> Content:
        def pieces() -> Iterator[bytes]:
            return _packed(path) if packed else _file(path)

        async with self._looking:
            if (path, packed) not in self._known:
                self._known[path, packed] = await asyncio.to_thread(_content, path, pieces, packed=packed)
            return self._known[path, packed]


def _content(path: Path, pieces: Pieces, *, packed: bool) -> Content:
    size, digest = 0, hashlib.sha256()
    with _translated(path):
        for data in pieces():
            if not packed and not size:
                require_unpackable(path, data)
            size += len(data)
            digest.update(data)
    return Content(size, digest.hexdigest(), lambda: _again(path, pieces, size))


async def _again(path: Path, pieces: Pieces, size: int) -> AsyncIterator[bytes]:
    again, left = pieces(), size
    with _translated(path):
        while data := await asyncio.to_thread(next, again, b""):
            left -= len(data)
            yield data
    if left:
        raise _changed(path)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{error.filename or path}: {error.strerror or error}") from error


def _changed(path: Path) -> SourceError:
    return SourceError(
        f"{path} changed while it was being sent", hint="do not change it until the deployment has ended"
    )


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while data := file.read(_PIECE):
            yield data


def _packed(path: Path) -> Iterator[bytes]:
    """A tar archive that is the same for the same files, whoever owns them and since when."""
    if not path.is_dir():
        yield from _member(path, path.name, path.stat())
    else:
        os.listdir(path)  # this says why, while `rglob` skips whatever it may not read
        for file in sorted(path.rglob("*")):
            yield from _member(file, str(file.relative_to(path)), file.lstat())
    yield tarfile.NUL * (2 * tarfile.BLOCKSIZE)


def _member(file: Path, name: str, status: os.stat_result) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(status.st_mode)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFREG:
            member.size = status.st_size
        case stat.S_IFDIR:
            member.type = tarfile.DIRTYPE
        case stat.S_IFLNK:
            member.type, member.linkname = tarfile.SYMTYPE, os.readlink(file)
        case _:
            raise SourceError(f"{file} is neither a file, a folder nor a link: it cannot be sent")
    yield member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if member.size:
        yield from _content_of(file, member.size)
        if rest := -member.size % tarfile.BLOCKSIZE:
            yield tarfile.NUL * rest


def _content_of(file: Path, size: int) -> Iterator[bytes]:
    """The bytes of a file. The page cache forgets them: if this machine is the node, its application needs
    the memory."""
    with file.open("rb", buffering=0) as opened:
        left, kept = size, 0
        while left:
            data = opened.read(min(left, _PIECE))
            if not data:
                raise _changed(file)
            left, kept = left - len(data), kept + len(data)
            if kept >= _OFTEN or not left:
                _forget(opened.fileno())
                kept = 0
            yield data


def _forget(descriptor: int) -> None:
    if hasattr(os, "posix_fadvise"):  # macOS has none
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
