"""`rollout deploy` beside the application's own starts and beside Ansible, against the same lab."""

from __future__ import annotations

import functools
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import yaml

from benchmarks.measuring import Run, run, tell, tell_ratio, tell_seconds
from benchmarks.playbook import Ansible, install
from rollout.lab import haproxy
from rollout.lab.lab import Lab
from rollout.lab.machines import Node
from tests.support.until import wait

_ROUNDS = 3
_ROLLOUT = (sys.executable, "-m", "rollout")
_HELPS = 15
_START = 0.75
"""Seconds that the application sleeps: stopping it and starting Python make it more than 1 s in all."""

Way = Callable[[str], Run]
"""Puts a release on all nodes of a lab."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the lab goes down
    install()
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        one_at_a_time(Path(folder, "four"))
        five_at_a_time(Path(folder, "twenty"))
    starting()


def one_at_a_time(folder: Path) -> None:
    with lab_of(4, folder) as lab:
        starts, rollout, ansible = StartsAlone(lab, 1), Rollout(lab, window=1), Ansible(lab, window=1)
        runs = rounds(
            lab, {"starts alone": starts.deploy, "rollout": rollout.deploy, "Ansible": ansible.deploy}
        )
    print("\n4 nodes, one at a time, an application that takes 1 s to start")
    tell_seconds(runs)
    tell_ratio(runs, "rollout", "starts alone", "at most 1.6")
    tell_ratio(runs, "Ansible", "rollout", "at least 2")


def five_at_a_time(folder: Path) -> None:
    with lab_of(20, folder) as lab:
        starts, rollout, ansible = StartsAlone(lab, 5), Rollout(lab, window=5), Ansible(lab, window=5)
        runs = rounds(
            lab, {"starts alone": starts.deploy, "rollout": rollout.deploy, "Ansible": ansible.deploy}
        )
    print("\n20 nodes, five at a time")
    tell_seconds(runs)
    tell_ratio(runs, "rollout", "starts alone", "")
    tell_ratio(runs, "Ansible", "rollout", "at least 3")
    peak = max(one.peak for one in runs["rollout"])
    tell("rollout's memory at most", f"{peak / 1e6:.0f} MB", "below 150 MB")


def starting() -> None:
    print("\nstarting up")
    helps = [run([*_ROLLOUT, "--help"]).seconds for _ in range(_HELPS)]
    nothing = [run([sys.executable, "-c", ""]).seconds for _ in range(_HELPS)]
    tell("Python alone", f"{median(nothing) * 1000:.0f} ms")
    tell("rollout --help", f"{median(helps) * 1000:.0f} ms", "below 150 ms")


@contextmanager
def lab_of(nodes: int, folder: Path) -> Iterator[Lab]:
    lab = Lab.up(folder, nodes=nodes, start=_START, inter="500ms", rise=2)
    try:
        yield lab
    finally:
        lab.down()


def rounds(lab: Lab, ways: dict[str, Way]) -> dict[str, list[Run]]:
    """The ways in turn, several times over; the first time only warms up."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(_ROUNDS + 1):
        for name, way in ways.items():
            wait(lambda: all(map(haproxy.all_up, lab.load_balancers)), "all servers to be up", within=60)
            release = f"{number}-{name}".replace(" ", "-")
            one = way(release)
            if not all(serves(node, release) for node in lab.nodes):
                raise SystemExit(f"{name} did not put release {release} on all nodes")
            if number:
                runs[name].append(one)
    return runs


class StartsAlone:
    """The application's own restarts, `window` at a time: no SSH, no load balancer is waited for."""

    def __init__(self, lab: Lab, window: int) -> None:
        self._nodes = lab.nodes
        self._window = window

    def deploy(self, release: str) -> Run:
        begin = time.perf_counter()
        with ThreadPoolExecutor(self._window) as places:
            list(places.map(functools.partial(_start, release=release), self._nodes))
        return Run(time.perf_counter() - begin)


class Rollout:
    """`rollout deploy`, `window` nodes at a time."""

    def __init__(self, lab: Lab, window: int) -> None:
        self._inventory = lab.directory / "window.yml"
        inventory = yaml.safe_load(lab.inventory.read_text()) | {"strategy": {"window": window}}
        self._inventory.write_text(yaml.safe_dump(inventory))

    def deploy(self, release: str) -> Run:
        return run([*_ROLLOUT, "deploy", "--inventory", self._inventory, "--release", release])


def _start(node: Node, release: str) -> None:
    """Returns when its page shows the release."""
    environment = os.environ | {"ROLLOUT_RELEASE": release}
    subprocess.run(["/bin/sh", node.folder / "release"], env=environment, check=True)
    subprocess.run(["/bin/sh", node.folder / "restart"], env=environment, check=True)
    wait(lambda: serves(node, release), f"{node.name} to serve {release}", within=60)


def serves(node: Node, release: str) -> bool:
    """Whether its health page is right and shows the release."""
    connection = http.client.HTTPConnection(node.host, node.port, timeout=2)
    try:
        connection.request("GET", "/_status")
        answer = connection.getresponse()
        return answer.status == http.client.OK and json.load(answer)["release"] == release
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
