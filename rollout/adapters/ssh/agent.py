"""The ssh-agent on this machine: its keys, and the way to it for commands on a host."""

from __future__ import annotations

import contextlib
import select
import socket
from pathlib import Path
from typing import Any

from paramiko import Channel, SSHException
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import PublicBlob

from rollout.adapters.ssh.certificates import is_certificate

_PATIENCE = 10.0
"""Seconds that an agent may take to list its keys."""
_CHUNK = 16_384


class KeyInAgent(AgentKey):
    """A key or certificate in an agent.

    paramiko's own class asks for a signature by a certificate's bare key. An agent may have been given the
    certificate alone, and then knows no such key.
    """

    def __init__(self, agent: Any, blob: bytes, comment: str) -> None:
        super().__init__(agent, blob, comment)
        certified = is_certificate(self.get_name())
        self.public_blob = PublicBlob(self.get_name(), blob) if certified else None  # type: ignore[assignment]

    def asbytes(self) -> bytes:
        """The key as the agent lists it."""
        return self.blob


class KeyAgent(AgentSSH):
    """The agent behind a socket; one that does not answer has no keys."""

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self.keys: tuple[KeyInAgent, ...] = ()
        self.silent = path is not None
        """Whether there should be an agent, and none answers."""
        if path is None:
            return
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE)
        inner: Any = self
        try:
            connection.connect(str(path))
            inner._connect(connection)
        except (OSError, SSHException):
            connection.close()
            return
        connection.settimeout(None)  # a person may have to allow each use of a key
        self.silent = False
        self.keys = tuple(KeyInAgent(self, key.blob, key.comment) for key in self.get_keys())

    def close(self) -> None:
        """Close the connection to the agent."""
        inner: Any = self
        inner._close()


def carry(channel: Channel, path: Path) -> None:
    """Let a program on a host talk with the agent, until either hangs up. Blocks."""
    with (
        contextlib.closing(channel),
        socket.socket(socket.AF_UNIX) as agent,
        contextlib.suppress(OSError, EOFError, SSHException),
    ):
        agent.connect(str(path))
        ends: list[socket.socket | Channel] = [channel, agent]
        while True:
            for end in select.select(ends, [], [])[0]:
                data = end.recv(_CHUNK)
                if not data:
                    return
                (agent if end is channel else channel).sendall(data)
