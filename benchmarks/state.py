"""What it costs that the state lies where all deployers meet: over SSH, in etcd, and with 10,000 deployments.

`python -m benchmarks.state [deploy] [etcd] [old]`. The ways take turns, and the first turn only warms up.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import yaml

from benchmarks.measuring import Run, run, tell, tell_ratio, tell_seconds
from rollout.cli.read_journal import read_journal
from rollout.cli.redaction import Redaction
from rollout.cli.wiring import open_site
from rollout.engine.checks.status import site_status
from rollout.inventory import load
from rollout.lab import haproxy
from rollout.lab.lab import Lab
from tests.support.etcd import Etcd
from tests.support.etcd_versions import program
from tests.support.until import wait

_ROLLOUT = (sys.executable, "-m", "rollout")
_ROUNDS, _LOOKS = 7, 15
_START = 0.75
"""Seconds that the application sleeps while it starts, as in `benchmarks.deploy`."""
_FEW, _MANY = 10, 10_000


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the lab goes down
    parts = {"deploy": deploys, "etcd": status_over_etcd, "old": old_deployments}
    for part in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
            os.environ["XDG_STATE_HOME"] = f"{folder}/state"
            parts[part](Path(folder))


def deploys(folder: Path) -> None:
    """A deployment with its state over SSH, beside one whose state only this login has."""
    with lab_of(4, folder / "lab", start=_START) as lab:
        places = {"over SSH": over_ssh(lab, folder / "place"), "local": "local"}
        inventories = {name: inventory(lab, name, place) for name, place in places.items()}
        runs: dict[str, list[Run]] = {name: [] for name in places}
        for number in range(_ROUNDS + 1):
            for name, file in inventories.items():
                wait(lambda: all(map(haproxy.all_up, lab.load_balancers)), "all servers to be up", within=60)
                release = f"{number}-{name}".replace(" ", "-")
                one = run([*_ROLLOUT, "deploy", "-i", file, "--release", release])
                if number:
                    runs[name].append(one)
    print("\n4 nodes, one at a time")
    tell_seconds(runs)
    tell_ratio(runs, "over SSH", "local", "at most 1.03")


def status_over_etcd(folder: Path) -> None:
    """`rollout status` over three members of etcd: the whole process, and what of it is etcd's."""
    with lab_of(4, folder / "lab") as lab, Etcd(program("3.5"), folder / "etcd", members=3) as etcd:
        places = {"etcd": f"etcd://{','.join(etcd.members)}/rollout", "local": "local"}
        inventories = {name: inventory(lab, name, place) for name, place in places.items()}
        for name, file in inventories.items():
            run([*_ROLLOUT, "deploy", "-i", file, "--release", name])
        commands: dict[str, list[str | Path]] = {
            f"status, {name}": [*_ROLLOUT, "status", "-i", file] for name, file in inventories.items()
        }
        commands |= {
            "Python with httpx": [sys.executable, "-c", "import httpx"],
            "Python alone": [sys.executable, "-c", ""],
        }
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        for _ in range(_LOOKS):
            for name, command in commands.items():
                runs[name].append(run(command))
        looks = [asyncio.run(look(inventories["etcd"])) for _ in range(_LOOKS)]
    print("\nrollout status, 4 nodes, three members of etcd")
    for name, ones in runs.items():
        tell(name, f"{median(one.seconds for one in ones) * 1000:.0f} ms")
    known, shown = (median(times) for times in zip(*looks, strict=True))
    tell("etcd's part, without imports", f"{known * 1000:.0f} ms", "150 ms")
    tell("HAProxy's part", f"{shown * 1000:.0f} ms")


async def look(file: Path) -> tuple[float, float]:
    """The seconds in which `status` knows what lies at the place, and those until HAProxy has answered."""
    given = load(file, os.environ)
    async with open_site(given) as site:
        begun = time.perf_counter()
        known = await read_journal(site, Redaction())
        took = time.perf_counter() - begun
        assert known.last is not None, known
        begun = time.perf_counter()
        await site_status(site, tuple(given.nodes))
        return took, time.perf_counter() - begun


def old_deployments(folder: Path) -> None:
    """Verbs where ten deployments lie at the place over SSH, and where 10,000 do."""
    with lab_of(3, folder / "lab") as lab:
        few = inventory(lab, "few", over_ssh(lab, folder / "few"), quick=True)
        for number in range(_FEW):
            run([*_ROLLOUT, "deploy", "-i", few, "--release", str(number), "--limit", "web1"])
        multiply(folder / "few", folder / "many")
        many = inventory(lab, "many", over_ssh(lab, folder / "many"), quick=True)
        copies = Path(os.environ["XDG_STATE_HOME"], "rollout")
        (copy_of_few,) = copies.glob("*.db")
        run([*_ROLLOUT, "status", "-i", many])
        (copy_of_many,) = {*copies.glob("*.db")} - {copy_of_few}
        multiply_copy(copy_of_few, copy_of_many)
        sizes = {_FEW: few, _MANY: many}
        verbs: dict[str, Callable[[Path], float]] = {
            "status": lambda file: run([*_ROLLOUT, "status", "-i", file]).seconds,
            "history": lambda file: run([*_ROLLOUT, "history", "-i", file]).seconds,
            "start of a deploy": begin_of_deploy,
            "status, empty home": in_empty_home,
        }
        seconds: dict[tuple[str, int], list[float]] = {}
        for number in range(_ROUNDS + 1):
            for verb, way in verbs.items():
                for size, file in sizes.items():
                    took = way(file)
                    if number:
                        seconds.setdefault((verb, size), []).append(took)
    print(f"\nwith {_FEW} and with {_MANY:,} old deployments at a place over SSH")
    for verb in verbs:
        for size in sizes:
            tell(f"{verb}, {size:,} deployments", f"{median(seconds[verb, size]):.2f} s")
        pairs = zip(seconds[verb, _MANY], seconds[verb, _FEW], strict=True)
        tell(f"  {_MANY:,} / {_FEW}", f"{median(one / other for one, other in pairs):.2f}", "1")


def begin_of_deploy(file: Path) -> float:
    """Seconds until the first node is touched."""
    words = ["deploy", "--release", "next", "--limit", "web1", "--output", "json"]
    begun, touched = time.perf_counter(), 0.0
    with subprocess.Popen([*_ROLLOUT, *words, "-i", file], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not touched and json.loads(line)["event"] == "command_sent":
                touched = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit("the deployment failed")
    return touched


def in_empty_home(file: Path) -> float:
    with tempfile.TemporaryDirectory() as home:
        return run([*_ROLLOUT, "status", "-i", file], os.environ | {"XDG_STATE_HOME": home}).seconds


def multiply(few: Path, many: Path) -> None:
    """Copy a place, so that it has many deployments: the same ones again and again."""
    shutil.copytree(few, many)
    (deployments,) = many.glob("*/deployments")
    for number in range(_FEW + 1, _MANY + 1):
        for kind in ("facts", "summary"):
            old = deployments / f"{(number - 1) % _FEW + 1:08}.{kind}"
            shutil.copy(old, deployments / f"{number:08}.{kind}")


def multiply_copy(few: Path, many: Path) -> None:
    """Let the copy of what lies there have all facts, as if all deployments had been made from here."""
    with closing(sqlite3.connect(many, isolation_level=None)) as database:
        database.execute("ATTACH ? AS few", [str(few)])
        database.execute("BEGIN")
        for number in range(1, _MANY + 1):
            same = (number - 1) % _FEW + 1
            database.execute("DELETE FROM events WHERE deployment = ?", [number])
            database.execute(
                "INSERT OR REPLACE INTO deployments SELECT ?, service, summary FROM few.deployments "
                "WHERE id = ?",
                [number, same],
            )
            database.execute(
                "INSERT INTO events SELECT ?, sequence, time, kind, fields, epoch FROM few.events "
                "WHERE deployment = ?",
                [number, same],
            )
            database.execute(
                "INSERT OR REPLACE INTO shared SELECT ?, facts FROM few.shared WHERE deployment = ?",
                [number, same],
            )
        database.execute("COMMIT")


def over_ssh(lab: Lab, folder: Path) -> str:
    """A place in a folder on the machine of the first load balancer."""
    user = yaml.safe_load(lab.inventory.read_text())["ssh"]["user"]
    return f"ssh://{user}@{lab.load_balancers[0].host}:{lab.addresses.ssh}{folder}"


def inventory(lab: Lab, name: str, place: str, *, quick: bool = False) -> Path:
    """The lab's inventory with another place; a `quick` one releases and restarts nothing."""
    path = lab.directory / f"{name.replace(' ', '-')}.yml"
    given = yaml.safe_load(lab.inventory.read_text())
    changes = {"state": {"place": place, "keep": 2 * _MANY}, "strategy": {"window": 1, "bake": 0}}
    if quick:
        del given["health"]["release"]
        changes |= {"release": {"command": "true"}, "restart": {"command": "true"}}
    path.write_text(yaml.safe_dump(given | changes))
    return path


@contextmanager
def lab_of(nodes: int, folder: Path, start: float = 0.0) -> Iterator[Lab]:
    lab = Lab.up(folder, nodes=nodes, start=start)
    try:
        yield lab
    finally:
        lab.down()


if __name__ == "__main__":
    main()
