"""Unpacking a tar archive as it arrives. Nothing is ever written outside its folder."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, Dict, List

from rollout.agents.common.talk import Failed

_OPENERS: Dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_OFTEN = 8 << 20
"""Bytes after which written data is flushed to disk: flushing it all at once would delay other reads."""
_PIECE = 1 << 16
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError)


def unpack(arriving: io.BufferedReader, into: Path) -> None:
    """Unpack an archive into a folder. Raises Failed if it is not an archive, is broken, or leads out of the
    folder."""
    begin = arriving.peek(6)[:6]
    opener = next((opener for magic, opener in _OPENERS.items() if begin.startswith(magic)), None)
    try:
        with contextlib.ExitStack() as opened:
            stream: Any = opened.enter_context(opener(arriving)) if opener else arriving
            with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as archive:
                for member in archive:
                    _place(archive, member, into)
            while stream.read(_PIECE):  # the rest holds the checksum
                pass
    except _BROKEN as error:
        raise Failed(f"the archive is broken: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise Failed(f"the archive is broken: {error}") from None  # bz2 has no error of its own


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    parts = _parts(member.name)
    if member.isdir():
        folder = _folder(into, parts)
        if parts:
            folder.chmod(member.mode & 0o777 | 0o700)
        return
    if not parts:
        raise Failed(f"the archive holds {member.name!r}, which is not a file name")
    path = _folder(into, parts[:-1]) / parts[-1]
    if os.path.lexists(path):  # of two with one name the last one counts
        if path.is_dir() and not path.is_symlink():
            raise Failed(f"the archive holds {member.name!r} both as a folder and as something else")
        path.unlink()
    if member.isfile():
        _write(archive.extractfile(member), path, member)
    elif member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        target = _parts(member.linkname)
        os.link(_folder(into, target[:-1], make=False) / target[-1], path, follow_symlinks=False)
    else:
        raise Failed(f"the archive holds {member.name!r}, which is neither a file, a folder nor a link")


def _parts(name: str) -> List[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise Failed(f"the archive holds {name!r}, which leads out of its folder")
    return parts


def _folder(into: Path, parts: List[str], make: bool = True) -> Path:
    """The folder of that path, made if it is missing. A link may lead anywhere, but nothing is written
    through one."""
    path = into
    for part in parts:
        path = path / part
        if path.is_symlink() or (os.path.lexists(path) and not path.is_dir()):
            raise Failed(f"the archive leads through {'/'.join(parts)!r}, where {part!r} is not a folder")
        if make and not path.exists():
            path.mkdir()
    return path


def _write(content: Any, path: Path, member: tarfile.TarInfo) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for _ in range(0, member.size, _OFTEN):
            _copy(content, file, _OFTEN)
            if member.size > _OFTEN:
                file.flush()
                os.fdatasync(descriptor)
        if file.tell() != member.size:
            raise EOFError(f"it ends within {member.name!r}")
        file.flush()
        os.fchmod(descriptor, member.mode & 0o777 | 0o400)
        if member.mtime:
            os.utime(descriptor, (member.mtime, member.mtime))


def _copy(content: Any, file: IO[bytes], most: int) -> None:
    while most:
        data = content.read(min(most, _PIECE))
        if not data:
            return
        file.write(data)
        most -= len(data)
