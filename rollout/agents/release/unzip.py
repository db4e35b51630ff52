"""Unpacking a zip archive. Its table of contents stands at its end, so all of it is on the disk meanwhile."""

from __future__ import annotations

import io
import shutil
import stat
import tempfile
import time
import zipfile
from pathlib import Path

from rollout.agents.common.talk import Failed
from rollout.agents.release.member import FILE, FOLDER, OTHER, SYMLINK, Member, place

BEGINS = (b"PK\x03\x04", b"PK\x05\x06")
BROKEN = (zipfile.BadZipFile, NotImplementedError)
_ENCRYPTED = 1
_LONGEST = 4096
"""Bytes of the longest path, to which a link may lead."""


def unpack(arriving: io.BufferedReader, into: Path) -> None:
    """Unpack an archive into a folder. Raises Failed, and the errors in `BROKEN`."""
    with tempfile.TemporaryFile(dir=into.parent) as whole:
        shutil.copyfileobj(arriving, whole)
        with zipfile.ZipFile(whole) as archive:
            for info in archive.infolist():
                if info.flag_bits & _ENCRYPTED:
                    raise Failed(f"the archive holds {info.filename!r}, which is encrypted")
                with archive.open(info) as content:
                    member = _member(info)
                    if member.kind == SYMLINK:
                        member = member._replace(target=content.read(_LONGEST).decode())
                    place(member, content, into)
                    content.read()  # its end is where the checksum is compared


def _member(info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    if info.is_dir():
        kind = FOLDER
    elif stat.S_ISLNK(mode):
        kind = SYMLINK
    else:
        kind = FILE if stat.S_IFMT(mode) in (0, stat.S_IFREG) else OTHER
    if not stat.S_IMODE(mode):  # made where files have no modes
        mode = 0o755 if kind == FOLDER else 0o644
    return Member(info.filename, kind, mode, info.file_size, _time(info))


def _time(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0
