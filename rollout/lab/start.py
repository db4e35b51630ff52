"""The start of a lab: keys, sshd, applications, HAProxy, until all of it serves."""

from __future__ import annotations

import http.client
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rollout.errors import RolloutError
from rollout.lab import haproxy, inventory, sshd
from rollout.lab.files import text
from rollout.lab.layout import Layout
from rollout.lab.machines import Node
from rollout.lab.processes import MARK
from rollout.lab.programs import Programs

FIRST_RELEASE = "1"
_POLL = 0.02
"""Seconds between two looks at whether something is ready."""
_PATIENCE = 30.0
"""Seconds that each of them may take to be ready."""
_LOG_LINES = 8
"""Last lines of a log that are shown when something does not start."""


def start(layout: Layout, programs: Programs) -> None:
    """Start everything in an empty folder. Raises RolloutError, with the end of a log, if something fails."""
    # The environment of a login: no variable of this shell may make the first start differ from later ones.
    environment = {
        MARK: layout.mark,
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "HOME": str(Path.home()),
    }
    port = layout.addresses.ssh
    for machine in layout.machines:
        machine.folder.mkdir(parents=True)
    sshd.make_keys(programs.ssh_keygen, layout.home, layout.machines, port)
    for machine in layout.machines:
        sshd.start(programs.sshd, layout.home, machine, port, layout.mark, environment)
    for node in layout.nodes:
        _start_application(layout, node, environment)
    for node in layout.nodes:
        _wait(partial(_serves, node), f"{node.name}'s application", node.folder / "app.log")
    for one in layout.load_balancers:
        haproxy.start(programs.haproxy, one, layout.nodes, layout.settings, environment)
    for one in layout.load_balancers:
        _wait(partial(haproxy.all_up, one), f"{one.name}'s HAProxy", one.folder / "haproxy.log")
    for machine in layout.machines:
        _wait(partial(sshd.answers, machine, port), f"{machine.name}'s sshd", machine.folder / "sshd.log")
    layout.inventory.write_text(inventory.text(layout, sshd.user()))


def _start_application(layout: Layout, node: Node, environment: dict[str, str]) -> None:
    """Start the application of a node, by the scripts that a deployment uses."""
    settings = {
        MARK: layout.mark,
        "NODE": node.name,
        "ADDRESS": f"{node.host}:{node.port}",
        "START": layout.settings.start,
        "WORKERS": layout.settings.workers,
        "KILL": "yes" if layout.settings.kill else "no",
        "PYTHON": sys.executable,
        "GUNICORN": Path(__file__).parent / "gunicorn_config.py",
    }
    lines = (f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items())
    (node.folder / "settings").write_text("".join(lines))
    for script in ("release", "restart"):
        (node.folder / script).write_text(text(script))
        command = ["/bin/sh", str(node.folder / script)]
        subprocess.run(command, env=environment | {"ROLLOUT_RELEASE": FIRST_RELEASE}, check=True)


def _serves(node: Node) -> bool:
    connection = http.client.HTTPConnection(node.host, node.port, timeout=2)
    try:
        connection.request("GET", "/_status")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(ready: Callable[[], bool], what: str, log: Path) -> None:
    begin = time.monotonic()
    while not ready():
        if time.monotonic() - begin > _PATIENCE:
            end = (
                "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:]) if log.exists() else ""
            )
            raise RolloutError(f"{what} is not ready after {_PATIENCE:g} s; its log ends:\n{end}")
        time.sleep(_POLL)
