"""The user who runs this process, as SSH sees them: their name, and the home whose `.ssh` counts."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from rollout.adapters.ssh.no_connection import NoConnection
from rollout.errors import HostUnreachable


def account() -> pwd.struct_passwd | None:
    """The user's line in the list of accounts; `None` in a container that was started for a bare number."""
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        return None


def home() -> Path:
    """The folder that `~` means in ssh_config: HOME where that has a folder `.ssh`, else the account's home.

    OpenSSH looks at the account alone. CI systems set HOME, and people put their keys there.
    Raises NoConnection where there is neither.
    """
    known, variable = account(), os.environ.get("HOME")
    if variable and (known is None or Path(variable, ".ssh").is_dir()):
        return Path(variable)
    if known is None:
        message = f"user id {os.getuid()} has no account on this machine, so its ~/.ssh is not known"
        raise NoConnection(HostUnreachable, message, "set the variable HOME")
    return Path(known.pw_dir)


def name() -> str:
    """The user's name, under which SSH logs in where nothing else is given. Raises NoConnection."""
    known = account()
    given = known.pw_name if known else os.environ.get("LOGNAME") or os.environ.get("USER")
    if not given:
        message = f"user id {os.getuid()} has no account on this machine, so there is no user to log in as"
        hint = "set `user:` under `ssh:` in the inventory, or the variable USER"
        raise NoConnection(HostUnreachable, message, hint)
    return given


def number_for_libraries() -> None:
    """Let Python's `getuser` find the user's number where there is no name: libraries ask it, and break."""
    if account() is None:
        os.environ.setdefault("USERNAME", str(os.getuid()))
