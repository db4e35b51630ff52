"""What a node costs among 20, 150, 1,000 and 3,000 servers: of rollout's processor time, and of HAProxy's.

`python -m benchmarks.fleet [CHECKOUT]`; with the path of another checkout of rollout, both take turns. All
servers are in one backend of one real HAProxy, and some of them are the nodes that are rolled. A deployment
of few nodes and one of many differ in nothing but these nodes, so the difference is what they cost.
"""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import yaml

from benchmarks.applications import CHECKED, PAGE
from benchmarks.measuring import Run, haproxy, process, run, tell
from tests.support.loopback import own_address
from tests.support.until import wait

SIZES = (20, 150, 1000, 3000)
FEW, MANY, WINDOW = 5, 20, 5
"""Nodes that are rolled, and how many of them are out at once."""
AT_ONCE, AMONG = 100, 3000
"""Nodes that may all leave at once, and the servers among which they are."""
_ROUNDS = 3
_TICKS = os.sysconf("SC_CLK_TCK")
_SETTINGS = """
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
  default_backend shop
backend shop
"""


@dataclass
class Fleet:
    """`nodes` applications among `servers` servers; all others share one application."""

    folder: Path
    servers: int
    nodes: int
    window: int
    hosts: dict[str, str] = field(init=False)
    haproxy: int = field(init=False)
    """HAProxy's process."""

    def __post_init__(self) -> None:
        self.hosts = {f"web{number}": own_address() for number in range(1, self.nodes + 1)}
        self.folder.mkdir()

    @contextmanager
    def running(self) -> Iterator[None]:
        other = own_address()
        lines = [f"  server {name} {host}:{CHECKED} check inter 500ms" for name, host in self.hosts.items()]
        lines += [
            f"  server other{number} {other}:{CHECKED} check inter 60s"
            for number in range(self.servers - self.nodes)
        ]
        settings = _SETTINGS.format(folder=self.folder, address=own_address())
        (self.folder / "haproxy.cfg").write_text(settings + "\n".join(lines) + "\n")
        applications = [sys.executable, "-m", "benchmarks.applications", other, *self.hosts.values()]
        with process(applications, says="started"), ExitStack() as stack:
            command = [haproxy(), "-db", "-q", "-f", f"{self.folder}/haproxy.cfg"]
            self.haproxy = stack.enter_context(process(command)).pid
            wait((self.folder / "admin.sock").exists, "HAProxy")
            yield

    def inventory(self, asked_at: Path) -> Path:
        """The inventory, in which HAProxy is asked at `asked_at`."""
        path = self.folder / "inventory.yml"
        document = {
            "service": f"fleet{self.servers}",
            "load_balancers": {"lb1": {"haproxy": f"unix://{asked_at}"}},
            "nodes": {name: {"host": host, "ssh": "local"} for name, host in self.hosts.items()},
            "health": {"http": f"http://{{host}}:{PAGE}/", "interval": "100ms"},
            "restart": {"http": {"url": f"http://{{host}}:{PAGE}/restart"}},
            "strategy": {"bake": "0", "window": self.window},
            "state": "local",  # two checkouts need not agree on how it is kept
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def deploy(self, checkout: Path, nodes: int) -> Cost:
        """A deployment to the first nodes."""
        environment = os.environ | {
            "PYTHONPATH": str(checkout),
            "XDG_STATE_HOME": f"{self.folder}/state of {checkout.name}",
        }
        names = ",".join([*self.hosts][:nodes])
        with Relay(self.folder) as relay:
            command: list[str | Path] = [
                sys.executable,
                "-P",
                "-m",
                "rollout",
                "deploy",
                "-i",
                self.inventory(relay.path),
            ]
            before = self.processor()
            begin = time.monotonic()
            deployed = run([*command, "--limit", names], environment)
            used = self.processor() - before
            relay.shutdown()
        # What HAProxy does all the same, such as its checks, is no part of it.
        seconds = time.monotonic() - begin
        before = self.processor()
        time.sleep(seconds)
        return Cost(deployed, used - (self.processor() - before), relay.gap)

    def processor(self) -> float:
        """Seconds of the processor's time that HAProxy has used."""
        fields = Path(f"/proc/{self.haproxy}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True, slots=True)
class Cost:
    """What a deployment took. `haproxy` are the seconds of HAProxy's processor time because of it, and `gap`
    is the longest time for which nobody looked while a node was out."""

    run: Run
    haproxy: float
    gap: float


class Relay(socketserver.ThreadingUnixStreamServer):
    """A socket before HAProxy's own that notes when it is asked, and whether a node is out then."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, folder: Path) -> None:
        self.path = folder / "relay.sock"
        self.path.unlink(missing_ok=True)
        super().__init__(str(self.path), _Question)
        self.behind = str(folder / "admin.sock")
        self.gap = 0.0
        self._noting = threading.Lock()
        self._asked = 0.0
        self._out: set[str] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def note(self, line: str) -> None:
        with self._noting:
            now = time.monotonic()
            if self._out:
                self.gap = max(self.gap, now - self._asked)
            self._asked = now
            for command in line.split(";"):
                match command.split():
                    case ["set", "server", path, "state", "maint"]:
                        self._out.add(path)
                    case ["set", "server", path, "state", "ready"]:
                        self._out.discard(path)


class _Question(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        relay, line = self.server, self.rfile.readline()
        assert isinstance(relay, Relay)
        relay.note(line.decode())
        with socket.socket(socket.AF_UNIX) as behind:
            behind.connect(relay.behind)
            behind.sendall(line)
            while data := behind.recv(1 << 18):
                self.wfile.write(data)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes end
    checkouts = {"this checkout": Path(__file__).parents[1]}
    if len(sys.argv) > 1:
        checkouts["the other"] = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        own: dict[str, list[float]] = {name: [] for name in checkouts}
        for servers in SIZES:
            print(f"\n{MANY} nodes of {servers:,} servers, {WINDOW} at once")
            fleet = Fleet(Path(temporary, str(servers)), servers, MANY, WINDOW)
            for name, costs in _in_turn(fleet, checkouts):
                own[name].append(_tell_node(name, costs))
        for name, sizes in own.items():
            tell(f"{name}: dearest / cheapest size", f"{max(sizes) / min(sizes):.2f}", "at most 1.3")
        print(f"\n{AT_ONCE} nodes of {AMONG:,} servers, all at once")
        fleet = Fleet(Path(temporary, "all"), AMONG, AT_ONCE, AT_ONCE)
        with fleet.running():
            for name, checkout in checkouts.items():
                cost = fleet.deploy(checkout, AT_ONCE)
                tell(f"{name}: seconds", f"{cost.run.seconds:.1f} s")
                tell("  own processor, a node", f"{1000 * cost.run.processor / AT_ONCE:.0f} ms")


def _in_turn(fleet: Fleet, checkouts: dict[str, Path]) -> Iterator[tuple[str, list[tuple[Cost, Cost]]]]:
    """The costs of few and of many nodes, by checkout. The first deployment of each only warms up."""
    costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in checkouts}
    with fleet.running():
        for checkout in checkouts.values():
            fleet.deploy(checkout, FEW)
        for _ in range(_ROUNDS):
            for name, checkout in checkouts.items():
                costs[name].append((fleet.deploy(checkout, FEW), fleet.deploy(checkout, MANY)))
    yield from costs.items()


def _tell_node(name: str, costs: Sequence[tuple[Cost, Cost]]) -> float:
    own = median(many.run.processor - few.run.processor for few, many in costs) / (MANY - FEW)
    tell(f"{name}: own processor, a node", f"{1000 * own:.0f} ms", "at most 60 ms")
    share = median(many.haproxy / many.run.seconds for _, many in costs)
    tell("  HAProxy's processor, from being watched", f"{100 * share:.1f} %", "at most 2 %")
    gap = max(many.gap for _, many in costs)
    tell("  longest time without a look", f"{1000 * gap:.0f} ms", "at most 100 ms")
    tell("  a deployment", f"{median(many.run.seconds for _, many in costs):.2f} s")
    return own


if __name__ == "__main__":
    main()
