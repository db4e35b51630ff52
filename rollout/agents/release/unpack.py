"""Unpacking an archive: a tar archive as it arrives, a zip archive once all of it is there."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any, Dict

from rollout.agents.common.talk import Failed
from rollout.agents.release import unzip
from rollout.agents.release.member import FILE, FOLDER, HARDLINK, OTHER, SYMLINK, Member, place

_OPENERS: Dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_PIECE = 1 << 16
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError)


def unpack(arriving: io.BufferedReader, into: Path) -> None:
    """Unpack an archive into a folder. Raises Failed if it is not an archive, is broken, or leads out of the
    folder."""
    begin = arriving.peek(6)[:6]
    try:
        if begin.startswith(unzip.BEGINS):
            unzip.unpack(arriving, into)
        else:
            _unpack_tar(arriving, begin, into)
    except (*_BROKEN, *unzip.BROKEN) as error:
        raise Failed(f"the archive is broken: {error}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise Failed(f"the archive is broken: {error}") from None  # bz2 has no error of its own


def _unpack_tar(arriving: io.BufferedReader, begin: bytes, into: Path) -> None:
    opener = next((opener for magic, opener in _OPENERS.items() if begin.startswith(magic)), None)
    with contextlib.ExitStack() as opened:
        stream: Any = opened.enter_context(opener(arriving)) if opener else arriving
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as archive:
            for info in archive:
                content = archive.extractfile(info) if info.isfile() else None
                place(_member(info), content, into)
        while stream.read(_PIECE):  # the rest holds the checksum
            pass


def _member(info: tarfile.TarInfo) -> Member:
    kinds = ((info.isdir, FOLDER), (info.isfile, FILE), (info.issym, SYMLINK), (info.islnk, HARDLINK))
    kind = next((kind for is_that, kind in kinds if is_that()), OTHER)
    return Member(info.name, kind, info.mode, info.size, info.mtime, info.linkname)
