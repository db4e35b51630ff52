"""What may stand for a part of a value in ssh_config: `~`, tokens such as `%h`, and `${NAME}`."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from rollout.adapters.ssh import local_user
from rollout.adapters.ssh.options import Options
from rollout.domain import SshTarget

_TOKEN = re.compile(r"%(.?)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def values(options: Options, target: SshTarget, home: Path) -> dict[str, str]:
    """What each token stands for in a connection to `target`. Raises NoConnection."""
    account, machine = local_user.account(), socket.gethostname()
    host = options.one("hostname") or target.host
    port, user = options.one("port") or "22", options.one("user") or ""
    jump = (options.one("proxyjump") or "").rpartition(",")[2].rpartition("@")[2].partition(":")[0]
    hashed = hashlib.sha1(f"{machine}{host}{port}{user}".encode(), usedforsecurity=False).hexdigest()
    return {
        "C": options.one("controlpath") or hashed,
        "d": str(home),
        "h": host,
        "i": str(os.getuid()),
        "j": jump,
        "k": options.one("hostkeyalias") or target.host,
        "L": machine.partition(".")[0],
        "l": machine,
        "n": target.host,
        "p": port,
        "r": user,
        "u": account.pw_name if account else getpass.getuser(),
    }


def fill(text: str, values: Mapping[str, str], *, later: str = "") -> str:
    """`text` with each token replaced; `%%` is one `%`. Tokens in `later` stay, for another call.

    Raises ValueError for a token that has no value.
    """

    def value(token: re.Match[str]) -> str:
        if later and token[1] in f"{later}%":
            return token[0]
        if token[1] == "%":
            return "%"
        if token[1] not in values:
            raise ValueError(f"{token[0]!r} in {text!r} means nothing there")
        return values[token[1]].replace("%", "%%") if later else values[token[1]]

    return _TOKEN.sub(value, text)


def path(text: str, values: Mapping[str, str], home: Path) -> Path:
    """The absolute path that `text` names, with tokens, variables and `~` replaced. Raises ValueError."""
    return Path.cwd() / variables(fill(tilde(text, home), values))


def tilde(text: str, home: Path) -> str:
    """`text` with `~/` at its beginning as `home`, and `~user/` as that user's home."""
    if text == "~" or text.startswith("~/"):
        return f"{home}{text[1:]}"
    return str(Path(text).expanduser()) if text.startswith("~") else text


def variables(text: str) -> str:
    """`text` with each `${NAME}` replaced by its value. Raises ValueError for one that is not set."""

    def value(name: re.Match[str]) -> str:
        if name[1] not in os.environ:
            raise ValueError(f"the variable {name[1]} in {text!r} is not set")
        return os.environ[name[1]]

    return _VARIABLE.sub(value, text)
