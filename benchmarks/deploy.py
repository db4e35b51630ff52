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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median

import yaml

from benchmarks.measuring import Run, machine, ratio, run, tell, tell_ratio, tell_seconds
from benchmarks.playbook import Ansible, install
from benchmarks.plots import BarPlot
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


@dataclass(frozen=True)
class Shape:
    """So many nodes, so many of them out at once, and what is aimed at."""

    nodes: int
    window: int
    above_starts: Mapping[str, float]
    """How many times the starts rollout may take at most, by HAProxy's interval."""
    ansible: float
    """How many times as long Ansible takes at least."""

    def __str__(self) -> str:
        return f"{self.nodes} nodes, {self.window} at a time"


FOUR = Shape(4, 1, {"500ms": 1.35, "2s": 1.4, "5s": 1.4}, ansible=3.5)
TWENTY = Shape(20, 5, {"500ms": 1.5, "2s": 1.55, "5s": 1.55}, ansible=3.5)
_BESIDE_ANSIBLE = "2s"
"""The interval at which Ansible is measured as well: HAProxy's own."""
_PLOT = Path(__file__).parents[1] / "docs" / "performance" / "deploy.svg"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the lab goes down
    install()
    print(machine())
    plot = BarPlot("One deployment, as a multiple of the application's own starts", "times the starts")
    for shape in (FOUR, TWENTY):
        for inter, most in shape.above_starts.items():
            runs = measure(shape, inter)
            print(f"\n{shape}, inter {inter}, an application that takes 1 s to start")
            tell_seconds(runs)
            plot.add(
                f"{shape}, inter {inter}",
                {name: ratio(runs, name, "starts alone") for name in runs if name != "starts alone"},
            )
            tell_ratio(runs, "rollout", "starts alone", f"at most {most}")
            if "Ansible" in runs:
                tell_ratio(runs, "Ansible", "rollout", f"at least {shape.ansible}")
            tell("until the first drain", f"{median(one.first_drain for one in runs['rollout']):.2f} s")
            peak = max(one.peak for one in runs["rollout"])
            tell("rollout's memory at most", f"{peak / 1e6:.0f} MB", "below 150 MB")
    starting()
    plot.write(_PLOT)


def measure(shape: Shape, inter: str) -> dict[str, list[Run]]:
    """What each way takes, the ways in turn."""
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        with lab_of(shape.nodes, inter, Path(folder, "lab")) as lab:
            ways: dict[str, Way] = {
                "starts alone": StartsAlone(lab, shape.window).deploy,
                "rollout": Rollout(lab, shape.window).deploy,
            }
            if inter == _BESIDE_ANSIBLE:
                ways["Ansible"] = Ansible(lab, shape.window).deploy
            return rounds(lab, ways)


def starting() -> None:
    print("\nstarting up")
    helps = [run([*_ROLLOUT, "--help"]).seconds for _ in range(_HELPS)]
    nothing = [run([sys.executable, "-c", ""]).seconds for _ in range(_HELPS)]
    tell("Python alone", f"{median(nothing) * 1000:.0f} ms")
    tell("rollout --help", f"{median(helps) * 1000:.0f} ms", "at most 80 ms")


@contextmanager
def lab_of(nodes: int, inter: str, folder: Path) -> Iterator[Lab]:
    lab = Lab.up(folder, nodes=nodes, start=_START, inter=inter, rise=2)
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
    """`rollout deploy`, `window` nodes at a time. No bake is asked for, as Ansible has none."""

    def __init__(self, lab: Lab, window: int) -> None:
        self._inventory = lab.directory / "window.yml"
        inventory = yaml.safe_load(lab.inventory.read_text()) | {"strategy": {"window": window, "bake": 0}}
        self._inventory.write_text(yaml.safe_dump(inventory))

    def deploy(self, release: str) -> Run:
        begun = time.time()
        options = ["--inventory", self._inventory, "--release", release, "--output", "json"]
        one = run([*_ROLLOUT, "deploy", *options])
        return replace(one, first_drain=_first_drain(one.output) - begun)


def _first_drain(output: str) -> float:
    """When the first node began to drain, as Unix time."""
    events = (json.loads(line) for line in output.splitlines())
    times = (event["time"] for event in events if event.get("step") == "drain")
    first = next(times)
    return first if isinstance(first, float) else datetime.fromisoformat(first).timestamp()


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
