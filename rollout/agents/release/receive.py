"""Receives a release on its standard input and puts it beside the others. Nothing is switched to it."""

from __future__ import annotations

import hashlib
import io
import signal
import sys
from typing import Any, Dict, cast

from rollout.agents.common.talk import Failed
from rollout.agents.release import keep
from rollout.agents.release.releases import Releases
from rollout.agents.release.unpack import unpack


def main(told: Dict[str, Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    releases = Releases(told["directory"])
    with releases.locked(), releases.incoming() as incoming:
        arriving = Arriving(cast(io.BufferedReader, sys.stdin.buffer), told["size"])
        try:
            unpack(io.BufferedReader(arriving, 1 << 16), incoming)
        except Failed:
            arriving.require_all(told["digest"])  # what is broken by its way here is not the archive's fault
            raise
        arriving.require_all(told["digest"])
        releases.finish(incoming, told["release"], told["digest"])
    keep.main({**told, "pace": None})


class Arriving(io.RawIOBase):
    """What is sent, as many bytes as were announced, with their hash."""

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
        """Raises Failed if less has come, or something else than was sent."""
        while self.read(1 << 16):
            pass
        if self._left:
            raise Failed(f"the upload broke off after {self._size - self._left} of {self._size} bytes")
        if self._hash.hexdigest() != digest:
            raise Failed(f"what arrived is not what was sent: its SHA-256 is {self._hash.hexdigest()}")


def _stop(number: int, _: Any) -> None:
    sys.exit(128 + number)
