"""The kinds of archives that a node can unpack with what its Python has, told by how a file begins."""

from __future__ import annotations

import tarfile
from pathlib import Path

from rollout.errors import SourceError

_UNPACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04", b"PK\x05\x06")
"""How gzip, bzip2, xz and zip files begin."""
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_PACK = "pack it as .tar, .tar.gz, .tar.bz2, .tar.xz or .zip"


def require_unpackable(path: Path, begin: bytes) -> None:
    """Raises SourceError for a file that no node could unpack, with what to do instead."""
    if path.suffix == ".whl":
        raise SourceError(
            f"{path} is a wheel, which must be installed and not unpacked",
            hint="install it by `release: {command: …}` with `pip install`, or pack the folder that it was "
            "installed in",
        )
    if begin.startswith(_ZSTANDARD):
        raise SourceError(
            f"{path} is compressed by Zstandard, which Python on the nodes cannot read",
            hint=f"{_PACK}: `zstd -dc {path.name} | gzip > {path.name.removesuffix('.zst')}.gz`",
        )
    if not begin.startswith(_UNPACKED) and not _is_tar(path):
        raise SourceError(f"{path} is no archive that a node could unpack", hint=_PACK)


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False
