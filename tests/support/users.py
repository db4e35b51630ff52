"""Other users of this machine: words that run the words after them as one. Needs root."""

from __future__ import annotations

import os

from tests.support.needs import missing

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
"""Who may not sudo."""

_RULE = "Defaults env_keep += DOCKER_HOST\nwww-data ALL=(ALL) NOPASSWD: ALL"
_BECOME = f"""\
mount -t tmpfs -o mode=750 tmpfs /etc/sudoers.d && echo '{_RULE}' > /etc/sudoers.d/test || exit
exec setpriv --reuid=www-data --regid=www-data --clear-groups "$@"
"""
SUDOER = ("unshare", "--mount", "--propagation=private", "sh", "-c", _BECOME, "sh")
"""Who may: that rule is seen by what runs here, and by nobody else."""


def need_root() -> None:
    """Skip the test where it cannot become another user; CI must be able to."""
    if os.geteuid() != 0:
        missing("other users: needs root")
