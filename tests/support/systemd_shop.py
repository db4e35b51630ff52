"""The example of a held socket as a unit of a host with systemd, and `rollout` run there."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rollout.agents.common.proc import Process, command_line, find
from rollout.domain import Completed
from tests.support.loopback import own_address

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

CHILDREN = 2
PROJECT = Path(__file__).parents[2]
PORT = 8000


class SystemdShop:
    """`shop.service`. Its release stands in /run/release, its pid in /run/shop.pid."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host
        self.address = own_address()
        self.node = {"host": self.address, "ssh": "local"}
        example = PROJECT / "examples" / "held_socket.py"
        self.starts = f"ExecStart={sys.executable} {example} {self.address}:{PORT} /run/shop.pid /run/release"

    @property
    def parent(self) -> Process:
        """The example's parent, as this machine sees it."""
        own = f"{self.address}:{PORT}"
        everybody = (find(int(name)) for name in os.listdir("/proc") if name.isdigit())
        whole = [process for process in everybody if process and own in command_line(process)]
        assert len(whole) == 1, whole
        return whole[0]

    def install(self, service: str, *, socket: str | None = None) -> None:
        """Its units, started with release 1."""
        self.write(service)
        units = "shop.service"
        if socket is not None:
            self.host.add_unit("shop.socket", f"ListenStream={self.address}:{PORT}\n{socket}")
            units = "shop.socket shop.service"
        started = self.host.run(f"echo 1 > /run/release; systemctl start {units}")
        assert started.status == 0, started.tail

    def write(self, service: str) -> None:
        """The unit's file, with more settings of its own; what runs goes on."""
        self.host.add_unit("shop.service", f"{self.starts}\nKillMode=mixed\n{service}")

    def dying(self) -> None:
        """Let the release `dies` end two seconds after its start."""
        line = '[ "$(cat /run/release)" != dies ] || { sleep 2; kill -KILL $$; } &\nexec "$@"\n'
        self.host.run("cat > /run/dying", stdin=line)
        self.starts = self.starts.replace("ExecStart=", "ExecStart=/bin/sh /run/dying ")

    def remove(self) -> None:
        self.host.run("systemctl stop shop.socket shop.service; systemctl reset-failed")
        self.host.run("rm -rf /etc/systemd/system/shop.* /run/state; systemctl daemon-reload")

    def deploy(self, release: str, *, systemd: Any, **sections: Any) -> Completed:
        """`rollout deploy` on the host, as root."""
        inventory = {
            "service": "shop",
            "load_balancers": {},
            "nodes": {"web1": self.node},
            "release": {"command": 'echo "$ROLLOUT_RELEASE" > /run/release'},
            "restart": {"systemd": systemd, "timeout": "20s"},
            **sections,
        }
        self.host.run("cat > /run/shop.yml", stdin=yaml.safe_dump(inventory))
        return self.rollout("deploy", "--release", release)

    def rollout(self, *words: str) -> Completed:
        """A verb of `rollout` with the inventory of the last deployment, on the host, as root."""
        words = (sys.executable, "-m", "rollout", *words, "-i", "/run/shop.yml", "--yes")
        return self.host.run(f"cd {PROJECT} && XDG_STATE_HOME=/run/state {shlex.join(words)}", timeout=90)

    def show(self, *properties: str, unit: str = "shop.service") -> dict[str, str]:
        """What systemd shows of the unit."""
        shown = self.host.run(f"systemctl show {unit} {' '.join(f'-p {name}' for name in properties)}")
        return dict(line.split("=", 1) for line in shown.tail)
