"""The stream that SSH is spoken over: TCP, a proxy command, or a channel of a jump host."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
import tempfile
import threading

from paramiko import Channel

from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Settings
from rollout.errors import HostUnreachable

Stream = socket.socket | Channel

_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL for a proxy command."""


class TcpStream(socket.socket):
    """A TCP socket that acknowledges at once what it receives, where the system lets it.

    Until the first command, sshd sends a small packet only when the last one was acknowledged: 44 ms a time.
    """

    quick = hasattr(socket, "TCP_QUICKACK")

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        if self.quick:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # it does not last
        return data


async def dial_tcp(settings: Settings) -> TcpStream:
    """A connected socket. Raises OSError; the caller limits the time."""
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(
        settings.host, settings.port, family=settings.address_family, type=socket.SOCK_STREAM
    )
    failure: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        try:
            connection = TcpStream(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            connection.setblocking(False)
            await _bind(connection, settings)
            await loop.sock_connect(connection, address)
            # Else packets wait until they are full: that is 40 ms a round trip.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure or OSError("the name has no address")


async def _bind(connection: socket.socket, settings: Settings) -> None:
    """Let the connection come from where ssh_config says."""
    if settings.bind_interface is not None:
        if not hasattr(socket, "SO_BINDTODEVICE"):
            raise OSError(errno.ENOTSUP, "BindInterface in ssh_config works on Linux only")
        device = settings.bind_interface.encode()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    if settings.bind_address is not None:
        loop = asyncio.get_running_loop()
        wanted = settings.bind_address
        try:
            found = await loop.getaddrinfo(wanted, 0, family=connection.family, type=socket.SOCK_STREAM)
            connection.bind(found[0][4])
        except OSError as error:
            raise OSError(error.errno, f"BindAddress {wanted} in ssh_config: {error.strerror}") from error


class ProxyCommand(socket.socket):
    """The socket of a `ProxyCommand` of ssh_config. paramiko's own spins when the command has ended."""

    complaint = ""
    """The last line that the command wrote to its standard error, known once this is closed."""

    def __init__(self, command: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(fileno=ours.detach())
        self._closing = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (the user's own ssh_config says so)
                [os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                start_new_session=True,
            )

    def close(self) -> None:
        super().close()
        with self._closing:
            if self._errors.closed:
                return
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(self._process.pid, number)
                    self._process.wait(_GRACE)
                    break
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").splitlines()
            self.complaint = lines[-1] if lines else ""
            self._errors.close()


def explain(error: BaseException, address: str, timeout: float) -> NoConnection:
    """The error of an attempt to reach `address`, in plain words. `timeout` is in seconds."""
    match error:
        case socket.gaierror():
            message = f"the name in {address} cannot be resolved ({error.strerror})"
        case ConnectionRefusedError():
            message = f"nothing listens on {address} (connection refused)"
        case TimeoutError():
            message = f"no answer from {address} within {timeout:g} s"
        case OSError(strerror=str(reason)):
            message = f"{address} cannot be reached: {reason.lower()}"
        case _:
            message = f"{address} cannot be reached: {error}"
    return NoConnection(HostUnreachable, message)
