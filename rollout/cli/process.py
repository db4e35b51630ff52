"""The process that runs a verb: its user and machine, and whether another one is still alive."""

from __future__ import annotations

import getpass
import os
import socket


def user() -> str:
    """The user's name; in a container, a user may have nothing but a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_gone(host: str, pid: int) -> bool:
    """Whether a process has ended. One on another machine cannot be seen from here, and counts as alive."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
