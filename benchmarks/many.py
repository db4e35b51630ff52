"""`rollout` on nodes that are in 50 and in 500 backends: ten times as much must not cost a hundred times.

`python -m benchmarks.many [CHECKOUT]`; with the path of another checkout of rollout, both take turns.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import yaml

from benchmarks.applications import CHECKED, PAGE
from benchmarks.measuring import Run, haproxy, process, run, tell
from tests.support.loopback import own_address
from tests.support.until import wait

NODES = 6
FEW, MANY = 50, 500
VERBS = ("status", "plan", "check", "deploy")
_ROUNDS = 3
_CHECK = "check inter 1s rise 1"
_GLOBAL = """
global
  stats socket {folder}/admin.sock mode 600 level admin
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
frontend web
  bind {address}:8080
  default_backend b1
"""


class Site:
    """Nodes that are servers of all `backends` of one real HAProxy."""

    def __init__(
        self, folder: Path, backends: int, nodes: int = NODES, check: str = _CHECK, *, pages: bool = True
    ) -> None:
        self.folder = folder
        self.backends = backends
        self._check = check
        self._pages = pages
        addresses: set[str] = set()
        while len(addresses) < nodes:  # among thousands of random ones, two may be equal
            addresses.add(own_address())
        self.hosts = {f"web{number}": address for number, address in enumerate(sorted(addresses), start=1)}
        self.inventory = folder / "inventory.yml"
        folder.mkdir()
        (folder / "haproxy.cfg").write_text(self._configuration())
        self.inventory.write_text(yaml.safe_dump(self._inventory()))

    @contextmanager
    def running(self) -> Iterator[None]:
        applications = [sys.executable, "-m", "benchmarks.applications", *self.hosts.values()]
        with (
            process(applications, says="started"),
            process([haproxy(), "-db", "-q", "-f", f"{self.folder}/haproxy.cfg"]),
        ):
            wait(lambda: (self.folder / "admin.sock").exists(), "HAProxy")
            yield

    def _configuration(self) -> str:
        lines = [_GLOBAL.format(folder=self.folder, address=own_address())]
        for number in range(1, self.backends + 1):
            lines.append(f"backend b{number}")
            lines += [f"  server {name} {host}:{CHECKED} {self._check}" for name, host in self.hosts.items()]
        return "\n".join(lines) + "\n"

    def _inventory(self) -> dict[str, object]:
        return {
            "service": f"many{self.backends}",
            "load_balancers": {"lb1": {"haproxy": f"unix://{self.folder}/admin.sock"}},
            "nodes": {name: {"host": host, "ssh": "local"} for name, host in self.hosts.items()},
            **({"health": {"http": f"http://{{host}}:{PAGE}/", "interval": "100ms"}} if self._pages else {}),
            "restart": {"http": {"url": f"http://{{host}}:{PAGE}/restart"}},
            "strategy": {"bake": "0"},
        }


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes end
    checkouts = {"this checkout": Path(__file__).parents[1]}
    if len(sys.argv) > 1:
        checkouts["the other"] = Path(sys.argv[1]).resolve()
    runs: dict[tuple[str, int, str], list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        for backends in (FEW, MANY):
            site = Site(Path(temporary, str(backends)), backends)
            with site.running():
                for _ in range(_ROUNDS):
                    for verb in VERBS:
                        for name, checkout in checkouts.items():
                            runs.setdefault((name, backends, verb), []).append(_run(site, verb, checkout))
    for verb in VERBS:
        _tell_verb(verb, list(checkouts), runs)


def _run(site: Site, verb: str, checkout: Path) -> Run:
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "XDG_STATE_HOME": f"{site.folder}/state of {checkout.name}",
    }
    return run([sys.executable, "-P", "-m", "rollout", verb, "-i", site.inventory], environment)


def _tell_verb(verb: str, checkouts: list[str], runs: dict[tuple[str, int, str], list[Run]]) -> None:
    print(f"\nrollout {verb}, {NODES} nodes")
    for name in checkouts:
        few, many = runs[name, FEW, verb], runs[name, MANY, verb]
        for backends, ones in ((FEW, few), (MANY, many)):
            tell(f"{name}, {backends} backends", f"{median(one.seconds for one in ones):.2f} s")
            tell("  of the processor", f"{median(one.processor for one in ones):.2f} s")
            tell("  printed", f"{median(one.printed for one in ones) / 1000:.1f} kB")
        tell(f"{MANY} / {FEW} backends, processor", f"{_ratio(many, few):.1f}", "at most 10")
    if len(checkouts) > 1:
        this, other = (runs[name, MANY, verb] for name in checkouts)
        tell(f"the other / this checkout, {MANY} backends", f"{_ratio(other, this):.1f}")


def _ratio(one: list[Run], other: list[Run]) -> float:
    return median(mine.processor / its.processor for mine, its in zip(one, other, strict=True))


if __name__ == "__main__":
    main()
