"""The programs that a lab is made of, found before anything is started."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass

from rollout.errors import UsageError

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian keeps daemons; not on the PATH of ordinary users


@dataclass(frozen=True, slots=True)
class Programs:
    """Absolute paths."""

    haproxy: str
    sshd: str
    ssh_keygen: str


def find(haproxy: str) -> Programs:
    """Raises UsageError, naming every missing program and the packages that hold them."""
    wanted = {haproxy: "haproxy", "sshd": "openssh-server", "ssh-keygen": "openssh-client"}
    found = {name: _which(name) for name in wanted}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = " ".join(wanted[name] for name in missing)
        raise UsageError(
            f"The lab needs {', '.join(missing)}, not found on this machine",
            hint=f"sudo apt-get install {packages}",
        )
    if importlib.util.find_spec("gunicorn") is None:
        raise UsageError("The lab needs gunicorn", hint="pip install 'rollout[lab]'")
    return Programs(*(os.path.abspath(path) for path in found.values() if path))


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SYSTEM)
