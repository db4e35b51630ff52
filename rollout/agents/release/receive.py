"""Receives a release on its standard input and puts it beside the others. The node keeps using the old
one."""

from __future__ import annotations

import hashlib
import io
import signal
import sys
from typing import Any, NamedTuple, cast

from rollout.agents.common.talk import Failed
from rollout.agents.release import keep
from rollout.agents.release.store import Store
from rollout.agents.release.unpack import unpack


class Options(NamedTuple):
    """`size` is in bytes, and `digest` a SHA-256 in hexadecimal, of what is sent. Once it is there, `keep`
    and `warm` mean what they mean to the agent `keep`."""

    directory: str
    release: str
    keep: int
    warm: bool
    size: int
    digest: str


def main(options: Options) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    store = Store(options.directory)
    with store.locked(), store.incoming() as incoming:
        arriving = Arriving(cast(io.BufferedReader, sys.stdin.buffer), options.size)
        try:
            unpack(io.BufferedReader(arriving, 1 << 16), incoming)
        except Failed:
            arriving.require_all(
                options.digest
            )  # first, since damage on the way is not the fault of the archive
            raise
        arriving.require_all(options.digest)
        store.finish(incoming, options.release, options.digest)
    keep.main(
        keep.Options(
            directory=options.directory,
            release=options.release,
            keep=options.keep,
            warm=options.warm,
            pace=None,
        )
    )


class Arriving(io.RawIOBase):
    """A stream of as many bytes as were announced, and their hash."""

    def __init__(self, stream: io.BufferedReader, size: int) -> None:
        self._stream = stream
        self._size = size
        self._left = size
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read1(min(len(buffer), self._left))
        self._left -= len(data)
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def require_all(self, digest: str) -> None:
        """Raises Failed if fewer bytes have arrived than were announced, or if they are not those that were
        sent."""
        while self.read(1 << 16):
            pass
        if self._left:
            raise Failed(f"the upload broke off after {self._size - self._left} of {self._size} bytes")
        if self._hash.hexdigest() != digest:
            raise Failed(f"the upload arrived damaged: its SHA-256 is {self._hash.hexdigest()}")


def _stop(number: int, _: Any) -> None:
    sys.exit(128 + number)
