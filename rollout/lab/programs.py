"""Programs that a lab runs. All are found before anything is started."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass

from rollout.errors import UsageError

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian keeps daemons; not on the PATH of ordinary users


@dataclass(frozen=True, slots=True)
class Programs:
    """Absolute paths of the programs."""

    haproxy: str
    sshd: str
    ssh_keygen: str


def find(haproxy: str) -> Programs:
    """The programs, with HAProxy by that name or path.

    Raises UsageError, which names every missing program and the packages to install.
    """
    wanted = {haproxy: "haproxy", "sshd": "openssh-server", "ssh-keygen": "openssh-client"}
    paths = {name: _which(name) for name in wanted}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        packages = " ".join(wanted[name] for name in missing)
        raise UsageError(
            f"The lab needs {', '.join(missing)}, which this machine does not have",
            hint=f"sudo apt-get install {packages}",
        )
    if importlib.util.find_spec("gunicorn") is None:
        raise UsageError("The lab needs gunicorn", hint="pip install 'rollout[lab]'")
    return Programs(*(os.path.abspath(path) for path in paths.values() if path))


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SYSTEM)
