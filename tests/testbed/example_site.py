"""Machines with the very names and addresses that the example inventories have."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml
from task_sender import tasks_sent_from
from testbed import EXTRA, PROJECT, ROOT, Testbed

from tests.support.until import wait

LOAD_BALANCER = "lb1"
_KEYS = ROOT / "docker" / "keys"
_LOAD_BALANCER_AT = "10.0.0.2"
_REGISTRY_AT = "10.0.0.3"
_HERE = "10.0.0.1"
_MACHINE = (
    *("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "label=disable"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "--volume", f"{_KEYS}:/keys:ro"),
    *("--volume", f"{ROOT / 'examples'}:/examples:ro"),
    *("--add-host", f"registry.example.com:{_REGISTRY_AT}", "--volume", "/var/lib/docker"),
)
_REGISTRY = """
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}}
http: {addr: ":80"}
"""
_CONFIG = f"Host {LOAD_BALANCER}.example.com\n  HostName {_LOAD_BALANCER_AT}\nHost *\n  User deploy\n"


class ExampleSite:
    """`folder` has the inventory and what it sends, and the home of the user who deploys.

    Their network, 10.0.0.0/24, is one that this machine may need itself, so it has no part in it: rollout
    runs in a container that sees this machine's files.
    """

    def __init__(self, testbed: Testbed, folder: Path) -> None:
        self.folder = folder
        self._testbed = testbed
        self._containers: dict[str, str] = {}
        self.inventory: dict[str, Any] = {}
        self._home = folder / "home"
        (self._home / ".ssh").mkdir(parents=True)
        (self._home / ".ssh" / "config").write_text(_CONFIG)
        shutil.copy(_KEYS / "id_ed25519", self._home / ".ssh")
        host_key = (_KEYS / "host.pub").read_text()
        (self._home / ".ssh" / "known_hosts").write_text(f"10.0.0.* {host_key}")
        self._start("here", _HERE, "--volume", "/:/host", "rollout-testbed/node", "sleep", "infinity")

    def use(self, inventory: str, *, image: str = "rollout-testbed/node", **environment: str) -> list[str]:
        """Start the nodes of an inventory (its text), which are returned, with that in their environment."""
        (self.folder / "rollout.yml").write_text(inventory)
        self.inventory = yaml.safe_load(inventory)
        nodes: dict[str, dict[str, Any]] = self.inventory["nodes"]
        for name, node in nodes.items():
            settings = [word for key, value in environment.items() for word in ("-e", f"{key}={value}")]
            self._machine(name, node["host"], "-e", f"NODE={name}", *settings, image)
        for name in nodes:
            self._booted(name)
        return list(nodes)

    def register(self, image: str) -> None:
        """Start registry.example.com, which has no images yet."""
        self._machine("registry", _REGISTRY_AT, image)
        self._booted("registry")
        self.write("registry", "/etc/docker/registry/config.yml", _REGISTRY)
        self.on("registry", "systemctl start docker-registry")

    def balance(self, nodes: list[str]) -> None:
        """Start a load balancer for these nodes, which serve by now, configured as the testbed's own."""
        self._machine(LOAD_BALANCER, _LOAD_BALANCER_AT, "rollout-testbed/haproxy-2.6")
        self._booted(LOAD_BALANCER)
        servers = "|".join(nodes)
        self.on(
            LOAD_BALANCER,
            f"sed -Ei '/^  server ({servers}) /s/172.29.77/10.0.0/; /172.29.77/d' /etc/haproxy/haproxy.cfg"
            " && systemctl restart haproxy",
        )

    def on(self, name: str, line: str) -> str:
        """Run a shell line as root on a machine."""
        return self._testbed.docker("exec", self._containers[name], "sh", "-ec", line)

    def until(self, name: str, true: str) -> None:
        """Return as soon as a shell line ends well there."""
        self.on(name, f"timeout 20 sh -c 'until {true} >/dev/null; do sleep 0.1; done'")

    def write(self, name: str, path: str, text: str) -> None:
        self.on(name, f"mkdir -p $(dirname {path}) && cat >{path} <<'END'\n{text}\nEND")

    def begin(self, name: str, line: str, *, user: str = "deploy") -> None:
        """Have a shell line run there for as long as the machine does, as the user who logs in or another."""
        self._testbed.docker("exec", "-d", "-u", user, self._containers[name], "sh", "-c", f"exec {line}")

    def address(self, name: str) -> str:
        """Of a machine, as it is reached from here."""
        shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self._testbed.docker("inspect", "--format", shown, self._containers[name]).strip()

    def tasks_sent_from(self, name: str) -> AbstractContextManager[set[tuple[str, str]]]:
        """See task_sender."""
        return tasks_sent_from(self._containers[name], self._testbed.environment)

    def rollout(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`rollout`, in the inventory's folder."""
        command = [
            *("docker", "exec", self._containers["here"], "chroot", "/host"),
            *("env", f"--chdir={self.folder}", f"HOME={self._home}", f"XDG_STATE_HOME={self._home}/state"),
            *(sys.executable, "-m", "rollout", *arguments, "--yes"),
        ]
        return subprocess.run(
            command,
            env=self._testbed.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
        )

    def _machine(self, name: str, address: str, *words: str) -> None:
        self._start(name, address, *_MACHINE, "--hostname", name, *words)

    def _start(self, name: str, address: str, *words: str) -> None:
        network = ("--network", f"{PROJECT}_testbed", "--cap-add", "NET_ADMIN")
        container = self._testbed.docker("run", "--detach", "--label", EXTRA, *network, *words).strip()
        self._containers[name] = container
        self.on(name, f"ip address add {address}/24 dev eth0")

    def _booted(self, name: str) -> None:
        wait(
            lambda: "yes" in self.on(name, "! systemctl is-active -q multi-user.target || echo yes"),
            f"{name} to boot",
        )
