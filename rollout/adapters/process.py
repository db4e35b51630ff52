"""Processes of this machine, as the journal and the lock name them: a host and a process id."""

from __future__ import annotations

import os
import socket


def may_run(host: str, pid: int) -> bool:
    """Whether process `pid` of `host` may still run. On another machine, nobody can tell, so it may."""
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user
    return True
