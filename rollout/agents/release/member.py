"""A member of an archive, and its place in the folder of a release. Nothing is ever written outside of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, List, NamedTuple

from rollout.agents.common.talk import Failed

FOLDER, FILE, SYMLINK, HARDLINK, OTHER = "folder", "file", "symlink", "hardlink", "other"
"""The kinds of members."""

_OFTEN = 8 << 20
"""Bytes after which written data is flushed to disk: flushing it all at once would delay other reads."""
_PIECE = 1 << 16


class Member(NamedTuple):
    """`kind` is one of the kinds above; `target` is that of a link; `mtime` is 0 if it is unknown."""

    name: str
    kind: str
    mode: int = 0
    size: int = 0
    mtime: float = 0
    target: str = ""


def place(member: Member, content: Any, into: Path) -> None:
    """Put a member into the folder; `content` is that of a file. Raises Failed if it leads out of it."""
    parts = _parts(member.name)
    if member.kind == FOLDER:
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
    if member.kind == FILE:
        _write(content, path, member)
    elif member.kind == SYMLINK:
        os.symlink(member.target, path)
    elif member.kind == HARDLINK:
        target = _parts(member.target)
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


def _write(content: Any, path: Path, member: Member) -> None:
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
