"""The place where gunicorn's workers report that they are ready."""

from __future__ import annotations

import os
import select
import socket
import struct
from typing import Dict, Iterable, Optional
from urllib.parse import urlsplit

from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

_CREDENTIALS = struct.Struct("3i")


class Listener:
    """Listens at `udp://host:port`, else on a socket beside the pidfile, which `close` removes."""

    def __init__(self, notify: Optional[str], pidfile: str) -> None:
        """Raises Failed."""
        self.reports: Dict[int, str] = {}
        """The workers that have reported, by their ids: why each is not ready; empty if it is."""
        self._path = None if notify else f"{os.path.realpath(pidfile)}.ready"
        try:
            if notify:
                self._socket = _udp(notify)
            else:
                self._socket = _unix(str(self._path))
        except OSError as error:
            where = notify or self._path
            raise Failed(
                f"the workers' reports cannot be received at {where}: {error.strerror or error}"
            ) from None

    def listen(self, seconds: float) -> None:
        """Wait for a report, at most that many seconds, and take all that have come."""
        while select.select([self._socket], [], [], seconds)[0]:
            self._take()
            seconds = 0

    def of(self, started: Iterable[Process]) -> Dict[int, str]:
        """The reports of these workers."""
        return {one.pid: self.reports[one.pid] for one in started if one.pid in self.reports}

    def _take(self) -> None:
        data, ancillary, _, _ = self._socket.recvmsg(2000, socket.CMSG_SPACE(_CREDENTIALS.size))
        said, _, rest = data.decode(errors="replace").strip().partition(" ")
        # The kernel knows the sender, but not over UDP: there, the worker sends its process id first.
        sender = [
            _CREDENTIALS.unpack(given)[0] for _, kind, given in ancillary if kind == socket.SCM_CREDENTIALS
        ]
        if not sender and not said.isdigit():
            return
        pid = sender[0] if sender else int(said)
        self.reports[pid] = rest if rest.startswith("not ready") else ""

    def close(self) -> None:
        self._socket.close()
        if self._path is not None and os.path.exists(self._path):
            os.unlink(self._path)


def _unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    if os.path.exists(path):
        _remove_stale(path)
    listener.bind(path)
    # Workers may run as a user other than their master; the kernel names every sender.
    os.chmod(path, 0o666)  # noqa: S103
    return listener


def _remove_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise Failed(f"another process waits for the workers' reports at {path}: is another deployment running?")


def _udp(notify: str) -> socket.socket:
    url = urlsplit(notify)
    family, kind, _, _, address = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_DGRAM)[0]
    listener = socket.socket(family, kind)
    listener.bind(address)
    return listener
