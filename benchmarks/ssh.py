"""What a command and a question to a UNIX socket cost over SSH, beside fabric's own `run`, on loopback; and
what a hundred connections cost on which nothing happens.

Starts a real sshd and measures everything in one run, in turn, as medians. Run it from the repository:
`python -m benchmarks.ssh`.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fabric import Config, Connection
from paramiko import SSHConfig

from rollout.adapters.ssh import SshPool
from tests.support.sshd import Sshd

ROUNDS, IN_A_ROW = 8, 15
IDLE, SECONDS = 100, 5.0


async def measure(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds that `work` took."""
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.write(b"x" * 10_000)
    writer.close()


async def compare(sshd: Sshd, path: str) -> None:
    fabric = Connection(
        sshd.address,
        user=sshd.user,
        port=sshd.port,
        config=Config(lazy=True, ssh_config=SSHConfig()),
        connect_kwargs={"key_filename": str(sshd.identity_file)},
    )
    async with SshPool() as pool:
        host = pool.host("host", sshd.target())
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "fabric's Connection.run": lambda: asyncio.to_thread(
                fabric.run, "true", hide=True, in_stream=False
            ),
            "SshHost.run": lambda: host.run("true", environment={}, timeout=10.0),
            "SshHost.stream_query": lambda: host.stream_query(path, b"show stat\n", 10.0),
        }
        print(f"opening a connection: {1000 * await measure(host.connect):.0f} ms")
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                times[name] += [await measure(way) for _ in range(IN_A_ROW)]
    fabric.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    slowest = medians["fabric's Connection.run"]
    for name, median in medians.items():
        print(f"{name:<24} {1000 * median:6.2f} ms   {slowest / median:5.1f} × as fast")


async def idle(sshd: Sshd) -> None:
    """The share of a core that idle connections take."""
    pools = [SshPool() for _ in range(IDLE)]  # one pool would share one connection
    for pool in pools:
        await pool.host("host", sshd.target()).connect()
    before = time.process_time()
    await asyncio.sleep(SECONDS)
    share = (time.process_time() - before) / SECONDS
    print(f"{IDLE} idle connections: {100 * share:.1f} % of a core (target: at most 2 %)")
    await asyncio.gather(*(pool.aclose() for pool in pools))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Sshd(Path(folder)) as sshd:
        path = str(Path(folder) / "admin.sock")
        async with await asyncio.start_unix_server(answer, path):
            await compare(sshd, path)
        await idle(sshd)


if __name__ == "__main__":
    asyncio.run(main())
