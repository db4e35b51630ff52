"""What twenty deployments of 60 and of 150 nodes cost the verbs that come after them.

`python -m benchmarks.history [NODES…]`. One deployment is real, and its facts are there twenty times.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import yaml

from benchmarks.many import Site
from benchmarks.measuring import run, tell
from benchmarks.state import begin_of_deploy

DEPLOYMENTS = 20
_NODES = (60, 150)
_ROUNDS = 7


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes end
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        for nodes in map(int, sys.argv[1:] or _NODES):
            site = Site(Path(temporary, str(nodes)), backends=2, nodes=nodes)
            _keep_state_here(site.inventory)
            with site.running():
                _measure(site, nodes)


def _measure(site: Site, nodes: int) -> None:
    homes = {"none": site.folder / "new", f"{DEPLOYMENTS}": site.folder / "old"}
    _deploy_often(site, homes[f"{DEPLOYMENTS}"])
    verbs: dict[str, Callable[[Path], tuple[float, float]]] = {
        verb: lambda home, verb=verb: _run(site, verb, home)  # type: ignore[misc]
        for verb in ("plan", "status", "history")
    }
    took: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(_ROUNDS + 1):
        for verb, way in verbs.items():
            for deployments, home in homes.items():
                one = way(home)
                if number:  # the first round warms up
                    took.setdefault((verb, deployments), []).append(one)
    print(f"\n{nodes} nodes, after no deployment and after {DEPLOYMENTS}")
    for verb in verbs:
        for deployments in homes:
            seconds, processor = (median(times) for times in zip(*took[verb, deployments], strict=True))
            tell(f"{verb}, {deployments}", f"{seconds:.2f} s")
            tell("  of the processor", f"{processor:.2f} s")
        none, many = (took[verb, deployments] for deployments in homes)
        more = median(its[1] - mine[1] for mine, its in zip(none, many, strict=True))
        tell(f"  {DEPLOYMENTS} - none, processor", f"{more * 1000:.0f} ms")
    for deployments, home in homes.items():
        os.environ["XDG_STATE_HOME"] = str(home)
        tell(f"start of a deploy, {deployments}", f"{begin_of_deploy(site.inventory):.2f} s")


def _run(site: Site, verb: str, home: Path) -> tuple[float, float]:
    environment = os.environ | {"XDG_STATE_HOME": str(home)}
    one = run([sys.executable, "-m", "rollout", verb, "-i", site.inventory], environment)
    return one.seconds, one.processor


def _deploy_often(site: Site, home: Path) -> None:
    """Deploy once, and let the journal have the same facts twenty times."""
    _run(site, "deploy", home)
    with closing(sqlite3.connect(home / "rollout" / "journal.db")) as database, database:
        for number in range(2, DEPLOYMENTS + 1):
            database.execute(
                "INSERT INTO deployments SELECT ?, service, summary FROM deployments WHERE id = 1", [number]
            )
            database.execute(
                "INSERT INTO events SELECT ?, sequence, time, kind, fields, epoch FROM events "
                "WHERE deployment = 1",
                [number],
            )


def _keep_state_here(inventory: Path) -> None:
    given = yaml.safe_load(inventory.read_text())
    given |= {"state": "local"}
    given["strategy"] |= {"window": "25%", "min_ready": "50%"}
    inventory.write_text(yaml.safe_dump(given))


if __name__ == "__main__":
    main()
