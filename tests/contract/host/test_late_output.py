"""Output that comes together with the end of its command, after a long silence."""

from __future__ import annotations

import time
from typing import cast

import pytest
from paramiko import Channel

from rollout.adapters.shell import Printed
from rollout.adapters.ssh.host import SshHost
from rollout.adapters.ssh.link import Link
from rollout.adapters.ssh.threads import Threads


class LateChannel:
    """The channel of a command that has ended by when the first of its output arrives."""

    def __init__(self, silent: float, pieces: list[bytes]) -> None:
        self._silent = silent
        self._pieces = pieces

    def settimeout(self, seconds: float) -> None:
        pass

    def exit_status_ready(self) -> bool:
        return True

    def recv_ready(self) -> bool:
        return bool(self._pieces)

    def recv(self, size: int) -> bytes:
        time.sleep(self._silent)
        self._silent = 0.0
        return self._pieces.pop(0) if self._pieces else b""


class PunctualChannel(LateChannel):
    """One on which both arrive in the moment in which nobody waits any more."""

    def recv(self, size: int) -> bytes:
        if self._silent:
            self._silent = 0.0
            raise TimeoutError
        return super().recv(size)


@pytest.mark.parametrize("kind", [LateChannel, PunctualChannel])
async def test_none_of_it_is_lost(kind: type[LateChannel]) -> None:
    """How long the command was silent says nothing of how long its output may take now."""
    lines: list[str] = []
    begin = b"--- rollout: the command begins, process 17\n"
    channel = kind(1.1, [begin, b"one\n", b"two\n"])
    host = SshHost("web1", cast(Link, None), Threads())
    await host._read(cast(Channel, channel), Printed(lines.append))
    assert lines == ["one", "two"]
