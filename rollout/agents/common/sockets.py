"""The listening sockets of a process's network, and which processes hold one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Set

from rollout.agents.common import proc
from rollout.agents.common.proc import Process

_LISTENING = "0A"
_ACCEPTS_CONNECTIONS = 0x10000


def listening(process: Process) -> Set[str]:
    """The listening sockets of the process's network, as links of file descriptors name them."""
    net = Path(f"/proc/{process.pid}/net")
    inodes = set()
    for name in ("tcp", "tcp6", "unix"):
        try:
            rows = [line.split() for line in (net / name).read_text().splitlines()[1:]]
        except OSError:
            continue
        if name == "unix":
            inodes |= {row[6] for row in rows if int(row[3], 16) & _ACCEPTS_CONNECTIONS}
        else:
            inodes |= {row[9] for row in rows if row[3] == _LISTENING}
    return {f"socket:[{inode}]" for inode in inodes}


def held(process: Process, sockets: Set[str]) -> Set[str]:
    """Those of the sockets that the process has open. Raises PermissionError if that is hidden from us."""
    found = set()
    for descriptor in proc.descriptors(process):
        with suppress(FileNotFoundError):
            found.add(os.readlink(descriptor))
    return found & sockets
