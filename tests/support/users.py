"""Other users of this machine: words that run the words after them as one. Needs root."""

from __future__ import annotations

import os

from tests.support.needs import missing

NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
"""Who may not sudo."""

_BECOME = """\
mount -t tmpfs -o mode=750 tmpfs /etc/sudoers.d && echo '{rule}' > /etc/sudoers.d/test || exit
exec setpriv --reuid=www-data --regid=www-data --clear-groups "$@"
"""


def who_may_sudo_to(whom: str) -> tuple[str, ...]:
    """www-data, who may sudo to these users: that rule is seen by what runs here, and by nobody else."""
    rule = f"Defaults env_keep += DOCKER_HOST\nwww-data ALL=({whom}) NOPASSWD: ALL"
    begin = ("unshare", "--mount", "--propagation=private", "sh", "-c")
    return (*begin, _BECOME.format(rule=rule), "sh")


SUDOER = who_may_sudo_to("ALL")
"""Who may sudo to everybody."""


def need_root() -> None:
    """Skip the test where it cannot become another user; CI must be able to."""
    if os.geteuid() != 0:
        missing("other users: needs root")
