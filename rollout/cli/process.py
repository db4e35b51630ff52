"""The process that runs a verb: its user and machine, and whether another one is still alive."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from pathlib import Path

from rollout.domain import LockHolder


def user() -> str:
    """The user's name; in a container, a user may have nothing but a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def holder(purpose: str) -> LockHolder:
    """This process as the holder of a lock. `purpose` is shown to others."""
    pid = os.getpid()
    return LockHolder(
        token=secrets.token_hex(16),
        user=user(),
        host=socket.gethostname(),
        pid=pid,
        since=time.time(),
        purpose=purpose,
        boot=_boot(),
        namespace=_namespace(),
        started=_started(pid) or 0,
    )


def has_ended(holder: LockHolder) -> bool:
    """Whether the holder's process is known to have ended.

    A process of another machine, of another boot or in another container's numbers cannot be seen from here,
    and counts as alive: only its silence tells. Host names are no proof, since containers share them.
    """
    if not holder.boot or (holder.boot, holder.namespace) != (_boot(), _namespace()):
        return False
    return _started(holder.pid) != holder.started


def _boot() -> str:
    """The boot id of this machine's kernel; empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    """The namespace of this process's number, such as `pid:[4026531836]`; empty where there is none."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When a process of this namespace began, in ticks since the boot; `None` if it has ended."""
    try:
        _, _, after_name = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")
    except OSError:
        return None
    state, *fields = after_name.split(" ")
    return None if state == "Z" else int(fields[18])
