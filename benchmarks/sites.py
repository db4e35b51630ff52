"""Three deployments on each of nine sites, under clients that never pause: what is lost, how long it takes.

`python -m benchmarks.sites [--haproxy VERSION] [SITE…]`. A site differs from the plain one in its HAProxy
configuration, or in what its clients do. Each deployment is `rollout deploy` itself; its restarts kill the
application.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import yaml

from benchmarks.site_app import AGENT_PORT, PLAIN_PORT, PORT
from tests.support.balancer import balancer
from tests.support.haproxy_versions import VERSIONS
from tests.support.loopback import own_address
from tests.support.until import until_seen
from tests.support.visitors import Seen, Visitor

NODES = ("web1", "web2", "web3")
DEPLOYS = 3
CLIENTS = 6
CHECKED = ("option httpchk GET /health", "default-server check inter 200ms rise 2 fall 2 weight 100")


@dataclass(frozen=True)
class Site:
    """`backends` are lines by backend, in which `{web1}` stands for a node's address."""

    backends: Mapping[str, Sequence[str]]
    settings: Sequence[str] = ()
    """Further lines of HAProxy's section `defaults`."""
    connection: float = float("inf")
    """Seconds for which a client keeps a connection."""
    tls: bool = False
    names: bool = False
    """Whether HAProxy finds its servers by a name server."""
    leader: bool = False
    """Whether one node leads, and a hook of the inventory moves the lead before its drain."""


def servers(more: str = "") -> tuple[str, ...]:
    return tuple(f"server {name} {{{name}}}:{PORT} {more}" for name in NODES)


SITES = {
    "plain": Site({"shop": (*CHECKED, *servers())}),
    "sticky by cookie": Site(
        {
            "shop": (
                *CHECKED,
                "cookie SRV insert indirect nocache",
                *(f"server {name} {{{name}}}:{PORT} cookie {name}" for name in NODES),
            )
        }
    ),
    "sticky by table": Site(
        {
            "shop": (
                *CHECKED,
                "stick-table type string size 1k expire 10m",
                "stick on req.cook(user)",
                *servers(),
            )
        }
    ),
    "long TCP connections": Site(
        {"shop": (*CHECKED, *servers())},
        settings=("mode tcp", "timeout client-fin 100ms", "timeout server-fin 100ms"),
        connection=1.0,
    ),
    "500 backends": Site(
        {
            "shop": (*CHECKED, *servers()),
            **{
                f"shop{number}": tuple(f"server {name} {{{name}}}:{PORT} track shop/{name}" for name in NODES)
                for number in range(2, 501)
            },
        }
    ),
    "server-template": Site(
        {
            "shop": (
                *CHECKED,
                f"server-template web 6 shop.test:{PORT} resolvers names init-addr none",
            )
        },
        names=True,
    ),
    "agent checks": Site(
        {"shop": (*CHECKED, *servers(f"weight 100 agent-check agent-port {AGENT_PORT} agent-inter 200ms"))}
    ),
    "leader only": Site(
        {
            "shop": (*CHECKED, *servers()),
            "primary": ("option httpchk GET /primary", CHECKED[1], *servers()),
        },
        leader=True,
    ),
    "TLS and h2": Site(
        {
            "shop": (
                "option httpchk",
                "http-check send meth GET uri /health ver HTTP/1.1 hdr Host shop",
                CHECKED[1],
                *servers("ssl verify none alpn h2,http/1.1 check-alpn h2,http/1.1"),
            )
        },
        tls=True,
    ),
}


@dataclass
class Deployed:
    """One deployment. `told` is what rollout printed."""

    seconds: float
    requests: int
    lost: list[str]
    status: int
    told: str

    @property
    def hints(self) -> list[str]:
        """The lines that say that something should be otherwise."""
        return [line for line in self.told.splitlines() if "hint:" in line or "warning" in line]


class NameServer(socketserver.ThreadingUDPServer):
    """Answers every question for an IPv4 address with those of all nodes."""

    daemon_threads = True

    def __init__(self, addresses: Sequence[str]) -> None:
        self.records = b"".join(
            struct.pack("!HHHIH4B", 0xC00C, 1, 1, 10, 4, *map(int, address.split(".")))
            for address in addresses
        )
        super().__init__((own_address(), 5353), _Question)


class _Question(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, connection = self.request
        end = data.index(b"\0", 12) + 5
        is_for_ipv4 = data[end - 4 : end - 2] == b"\0\1"
        server = self.server
        assert isinstance(server, NameServer)
        count = len(NODES) if is_for_ipv4 else 0
        records = server.records if is_for_ipv4 else b""
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0)
        connection.sendto(header + data[12:end] + records, self.client_address)


@contextmanager
def name_server(addresses: Sequence[str]) -> Iterator[NameServer]:
    with NameServer(addresses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Nodes:
    """The applications of a site, each started by the line that restarts it, and what a deployment needs."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self.addresses = {name: own_address() for name in NODES}
        self._site = site
        self._tls = ""
        if site.tls:
            certificate, key = folder / "certificate", folder / "key"
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=shop"
            subprocess.run(
                [*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True
            )
            self._tls = f" {certificate} {key}"
        (folder / "leaders").write_text("web1")
        for name in NODES:
            (folder / f"{name}.release").write_text("0")

    def __enter__(self) -> Nodes:
        for name, address in self.addresses.items():
            environment = {**os.environ, "ROLLOUT_NODE": name, "ROLLOUT_HOST": address}
            subprocess.run(["sh", "-c", self._restart], check=True, env=environment)
        for address in self.addresses.values():
            self._wait(address)
        return self

    def __exit__(self, *exception: object) -> None:
        for name in NODES:
            with suppress(OSError, ValueError):
                os.killpg(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)

    def _wait(self, address: str) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://{address}:{PLAIN_PORT}/health").status_code == 200:
                    return
            time.sleep(0.05)
        raise SystemExit(f"{address} does not start")

    @property
    def _restart(self) -> str:
        pid = f"{self.folder}/$ROLLOUT_NODE.pid"
        application = (
            f"cd {Path.cwd()} && exec {sys.executable} -m benchmarks.site_app $ROLLOUT_HOST "
            f"{self.folder}/$ROLLOUT_NODE.release {self.folder}/leaders $ROLLOUT_NODE{self._tls}"
        )
        return (
            f"[ ! -e {pid} ] || kill -s KILL -- -$(cat {pid}); "
            f"setsid sh -c 'echo $$ > {pid}; {application}' </dev/null >>{self.folder}/log 2>&1 &"
        )

    def inventory(self, socket: object) -> Path:
        """The inventory, as a file."""
        leave = (
            f'leaders={self.folder}/leaders; [ "$ROLLOUT_NODE" != "$(cat $leaders)" ] && exit; '
            'next=web1; [ "$ROLLOUT_NODE" = web1 ] && next=web2; '
            'echo "$ROLLOUT_NODE $next" > $leaders; sleep 1; echo $next > $leaders; sleep 1'
        )
        document = {
            "service": "shop",
            "load_balancers": {"lb1": {"haproxy": str(socket)}},
            "nodes": {name: {"host": address, "ssh": "local"} for name, address in self.addresses.items()},
            "release": {"command": f'printf %s "$ROLLOUT_RELEASE" > {self.folder}/$ROLLOUT_NODE.release'},
            "restart": {"command": self._restart},
            "health": {"http": f"http://{{host}}:{PLAIN_PORT}/health", "release": {"json": "release"}},
            **({"hooks": {"before_node": leave}} if self._site.leader else {}),
        }
        path = self.folder / "inventory.yml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path


@asynccontextmanager
async def clients(lb: object, site: Site) -> AsyncIterator[Seen]:
    """Clients of the first two backends, who ask without a pause and have a cookie by which to be pinned."""
    seen, ending = Seen(), asyncio.Event()

    async def ask(number: int, backend: str) -> None:
        visitor = Visitor(lb, backend)  # type: ignore[arg-type]
        visitor.cookie = f"user={number}"
        begun = time.monotonic()
        while not ending.is_set():
            try:
                status, body = await visitor.get()
                seen.answers[body] += status == 200
                if status != 200:
                    seen.lost.append(f"{status} {body}")
            except (OSError, EOFError) as error:
                seen.lost.append(repr(error))
            if time.monotonic() - begun > site.connection:
                visitor.close()
                begun = time.monotonic()
            await asyncio.sleep(0.01)
        visitor.close()

    backends = list(site.backends)[:2]
    asking = [asyncio.create_task(ask(number, backend)) for number in range(CLIENTS) for backend in backends]
    try:
        yield seen
    finally:
        ending.set()
        await asyncio.gather(*asking)


async def deploy(inventory: Path, release: int) -> tuple[float, int, str]:
    """One deployment: its seconds, exit status and output."""
    command = [
        sys.executable,
        "-m",
        "rollout",
        "deploy",
        "--yes",
        "--release",
        str(release),
        "-i",
        str(inventory),
    ]
    begin = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return time.perf_counter() - begin, process.returncode, output.decode()


async def run(binary: Path, site: Site) -> list[Deployed]:
    """The deployments on one site."""
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    try:
        with ExitStack() as stack:
            nodes = stack.enter_context(Nodes(folder, site))
            settings = site.settings
            if site.names:
                server = stack.enter_context(name_server([*nodes.addresses.values()]))
                address = ":".join(map(str, server.server_address))
                settings = (*settings, "resolvers names", f"nameserver local {address}", "hold valid 1s")
            backends = {
                name: [line.format(**nodes.addresses) for line in lines]
                for name, lines in site.backends.items()
            }
            async with balancer(binary, backends, settings=settings) as lb:

                async def checked() -> bool:
                    states = (await lb.haproxy().read()).servers
                    return (
                        sum(state.in_rotation for state in states)
                        >= len(backends) * len(NODES) - 2 * site.leader
                    )

                await until_seen(checked, "the servers to be UP")
                inventory, done = nodes.inventory(lb.socket()), []
                for release in range(1, DEPLOYS + 1):
                    async with clients(lb, site) as seen:
                        seconds, status, told = await deploy(inventory, release)
                    done.append(Deployed(seconds, seen.total + len(seen.lost), seen.lost, status, told))
                return done
    finally:
        shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sites", description=__doc__)
    parser.add_argument("sites", nargs="*", metavar="SITE", help=f"of {', '.join(SITES)} (default: all)")
    parser.add_argument("--haproxy", default="system", choices=VERSIONS)
    parser.add_argument("--verbose", action="store_true", help="show what rollout prints")
    arguments = parser.parse_args()
    binary, wrong = VERSIONS[arguments.haproxy](), 0
    print(f"{'site':<22}{'seconds':>9}{'requests':>10}{'lost':>6}{'hints':>7}  exit", flush=True)
    for name in arguments.sites or SITES:
        done = asyncio.run(run(binary, SITES[name]))
        requests, lost = (
            sum(each.requests for each in done),
            [reason for each in done for reason in each.lost],
        )
        hints = [hint for each in done for hint in each.hints]
        statuses = [each.status for each in done]
        wrong += bool(lost or hints or any(statuses))
        seconds = median(each.seconds for each in done)
        print(f"{name:<22}{seconds:>9.2f}{requests:>10}{len(lost):>6}{len(hints):>7}  {statuses}", flush=True)
        for line in [*lost[:3], *dict.fromkeys(hints)]:
            print(f"    {line}")
        if arguments.verbose:
            print(*(each.told for each in done), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
