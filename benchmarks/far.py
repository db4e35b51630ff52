"""What a deployment costs far away: round trips per node, from its drain until it is ready again.

The lab's load balancer and nodes are reached by SSH, and the nodes' pages by HTTP, over wires that take a
while. Deployments differ in nothing but the time of a round trip, so what a node takes longer tells how many
round trips follow each other. Run it from the repository: `python -m benchmarks.far`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import yaml

from rollout.lab.lab import Lab
from rollout.lab.machines import LoadBalancer
from tests.support.until import wait
from tests.support.wire import Wire

ROUND_TRIPS = (0.0, 0.1)
"""Seconds that a round trip takes, in turn."""
NODES, ROUNDS, RELOADS = 4, 3, 8
STEPS = ("drain", "release", "restart", "verify", "ready")


@dataclass(frozen=True)
class Far:
    """A lab behind wires."""

    lab: Lab
    wires: list[Wire]

    def deploy(self, release: str, round_trip: float) -> list[dict[str, float]]:
        """Deploy a release. The seconds of each step of each node, but for the first: it warms up."""
        steps: dict[str, dict[str, float]] = defaultdict(dict)
        for event in self._events(round_trip, "--release", release):
            if event["event"] == "step_finished" and event["step"] in STEPS:
                steps[event["node"]][event["step"]] = event["seconds"]
        return [*steps.values()][1:]

    def told_again(self, round_trip: float) -> list[float]:
        """The seconds from reloads of HAProxy, while a node is out, until it is out again."""
        text = self.lab.inventory.read_text()
        self.lab.inventory.write_text(text.replace("command: echo", f"command: sleep {4 * RELOADS}; echo", 1))
        seconds: list[float] = []
        for event in self._events(round_trip, "--release", "slowly", "--limit", "web2"):
            if event["event"] == "step_started" and event["step"] == "release":
                for _ in range(RELOADS):
                    time.sleep(1.0)
                    seconds.append(self._reloaded())
        self.lab.inventory.write_text(text)
        return seconds

    def _events(self, round_trip: float, *words: str) -> Iterator[dict[str, Any]]:
        """The events of a deployment, as they come."""
        for wire in self.wires:
            wire.delay = round_trip / 2
        command = [sys.executable, "-m", "rollout", "deploy", *words, "--output", "json"]
        with subprocess.Popen([*command, "-i", self.lab.inventory], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield json.loads(line)
        if process.returncode:
            raise SystemExit("the deployment failed")

    def _reloaded(self) -> float:
        balancer = self.lab.load_balancers[0]
        pid = info(balancer)
        ask(balancer, "master", "reload")
        wait(lambda: info(balancer) not in ("", pid), "the new process")
        begun = time.monotonic()
        wait(lambda: "web2 UP" not in statuses(balancer), "the node to be out again")
        return time.monotonic() - begun


@contextmanager
def far_lab(folder: Path) -> Iterator[Far]:
    """A lab of which everything is reached by wires, at addresses that HAProxy does not know."""
    with ExitStack() as running:
        lab = Lab.up(
            folder / "lab", nodes=NODES, start=0.0, inter="50ms", backend_lines=("timeout check 2s",)
        )
        running.callback(lab.down)
        inventory = yaml.safe_load(lab.inventory.read_text())
        ssh_port, known_hosts = inventory["ssh"]["port"], Path(inventory["ssh"]["known_hosts"])
        known = known_hosts.read_text()
        # Nothing is released or restarted: an application takes now this long, now that.
        text = re.sub(r"command: sh .*", "command: echo done", lab.inventory.read_text())
        text = text.replace("  release: {json: release}\n", "")
        text = re.sub(r"^state: .*", "state: local", text, flags=re.MULTILINE)
        wires: list[Wire] = []
        for machine in lab.machines:
            wire = running.enter_context(Wire(machine.host, ssh_port))
            known_hosts.write_text(
                known_hosts.read_text() + known.replace(f"[{machine.host}]", f"[{wire.address}]")
            )
            text = text.replace(f"@{machine.host}:", f"@{wire.address}:")
            text = text.replace(f"host: {machine.host},", f"host: {wire.address}, server: {machine.name},")
            wires += [wire, running.enter_context(Wire(machine.host, machine.port, at=wire.address))]
        lab.inventory.write_text(text)
        yield Far(lab, wires)


def ask(balancer: LoadBalancer, level: Literal["master", "user"], line: str) -> str:
    """HAProxy's answer here, without a wire; empty if there is none."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.connect(str(balancer.socket(level)))
        connection.sendall(f"{line}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return ""


def info(balancer: LoadBalancer) -> str:
    """The line with the number of the process."""
    return next((line for line in ask(balancer, "user", "show info").splitlines() if "Pid:" in line), "")


def statuses(balancer: LoadBalancer) -> list[str]:
    """`web1 UP` for each server."""
    rows = csv.DictReader(ask(balancer, "user", "show stat -1 4 -1").removeprefix("# ").splitlines())
    return [f"{row['svname']} {row['status']}" for row in rows]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        rolled: dict[float, list[dict[str, float]]] = defaultdict(list)
        with far_lab(Path(folder)) as far:
            for number in range(ROUNDS * len(ROUND_TRIPS)):
                round_trip = ROUND_TRIPS[number % len(ROUND_TRIPS)]
                rolled[round_trip] += far.deploy(str(number + 2), round_trip)
            told_again = [max(far.told_again(each)) for each in ROUND_TRIPS]
    print(f"{'':<12}" + "".join(f"{each * 1000:>10.0f} ms" for each in ROUND_TRIPS) + f"{'round trips':>16}")
    for name in (*STEPS, "node"):
        times = [
            median(sum(node.values()) if name == "node" else node[name] for node in rolled[each])
            for each in ROUND_TRIPS
        ]
        trips = (times[-1] - times[0]) / ROUND_TRIPS[-1]
        print(f"{name:<12}" + "".join(f"{seconds:>11.2f} s" for seconds in times) + f"{trips:>16.1f}")
    print(f"{'told again':<12}" + "".join(f"{seconds:>11.2f} s" for seconds in told_again))


if __name__ == "__main__":
    main()
