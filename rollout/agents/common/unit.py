"""The systemd service of a process, and what systemd knows of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

from rollout.agents.common.deadline import Deadline
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed

_SYSTEMD_RUNS = "/run/systemd/system"
_MANAGER_OF_A_USER = re.compile(r"user@(\d+)\.service")
_PROPERTIES = ("ExitType", "MainPID", "PIDFile", "Restart", "Type")
_ANSWER = 5.0
"""Seconds for systemd to answer, and to notice that a process has ended."""


class Unit(NamedTuple):
    """A service of systemd. `systemctl` are the words that ask its manager: the system's, or a user's."""

    name: str
    systemctl: List[str]

    def properties(self) -> Dict[str, str]:
        """Its present properties by their names; those that this systemd does not know are missing. Raises
        Failed."""
        names = [f"--property={name}" for name in _PROPERTIES]
        try:
            shown = subprocess.run(
                [*self.systemctl, "show", self.name, *names],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_ANSWER,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "output", None) or b"").decode(errors="replace").strip()
            raise Failed(
                f"systemd does not say what it does when a process of {self.name} ends: {said or error}"
            ) from None
        lines = shown.stdout.decode(errors="replace").splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def must_follow(self, successor: Process, end: Deadline) -> None:
        """Wait until the successor is the service's main process. Raises Failed."""

        def has_followed() -> bool:
            return self.properties().get("MainPID") == str(successor.pid)

        if not end.or_after(_ANSWER).wait_for(has_followed, every=0.2):
            main = self.properties().get("MainPID")
            raise Failed(
                f"process {successor.pid} has taken over, but for systemd the main process of {self.name} is "
                f"{main}, and systemd may end the new one: restart {self.name}"
            )


def unit_of(process: Process) -> Optional[Unit]:
    """The service whose control group has the process; None if there is none, or if no systemd runs here."""
    if not os.path.isdir(_SYSTEMD_RUNS):
        return None
    try:
        lines = Path(f"/proc/{process.pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for _, kind, group in (line.split(":", 2) for line in lines):
        # A service may have groups of its own below, and the manager of a user is a service itself.
        services = [part for part in group.split("/") if part.endswith(".service")]
        if services and kind in ("", "name=systemd"):
            users = [user[1] for user in map(_MANAGER_OF_A_USER.fullmatch, services[:-1]) if user]
            return Unit(services[-1], _of_user(int(users[0])) if users else ["systemctl"])
    return None


def _of_user(number: int) -> List[str]:
    become = [] if os.geteuid() == number else ["setpriv", f"--reuid={number}", "--clear-groups"]
    return [*become, "env", f"XDG_RUNTIME_DIR=/run/user/{number}", "systemctl", "--user"]
