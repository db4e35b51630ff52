"""Deployments of 20 nodes on a disk that is slow to sync: what that costs, and whether HAProxy is looked at
meanwhile.

`python -m benchmarks.slow_disk [CHECKOUT]`; with the path of another checkout of rollout, both take turns. A
library that is loaded before all others lets each `fsync` of rollout and of its children take longer; it
needs a C compiler.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import yaml

from benchmarks.many import Site
from benchmarks.measuring import run, tell
from tests.support.until import wait

NODES, WINDOW, ROUNDS = 20, 5, 3
SYNC = 0.05
"""Seconds by which a sync is slower."""
_LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
static int slowly(const char *name, int file) {
  usleep(%d);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return slowly("fsync", file); }
int fdatasync(int file) { return slowly("fdatasync", file); }
"""


class Watched:
    """A socket before HAProxy's, which notes when something was asked there."""

    def __init__(self, socket: Path, behind: Path) -> None:
        self.asked: list[tuple[float, bool]] = []
        """When, and whether a server was set."""
        self._socket = socket
        self._behind = behind

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        loop, ended = asyncio.new_event_loop(), asyncio.Event()

        async def serve() -> None:
            async with await asyncio.start_unix_server(self._pass_on, self._socket):
                await ended.wait()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            thread = threading.Thread(target=runner.run, args=[serve()])
            thread.start()
            wait(self._socket.exists, "the socket")
            try:
                yield
            finally:
                loop.call_soon_threadsafe(ended.set)
                thread.join()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_unix_connection(self._behind, limit=2**20)
        answering = asyncio.create_task(_copied(behind, writer))
        while data := await reader.read(2**16):
            self.asked.append((time.monotonic(), b"set server" in data))
            to_behind.write(data)
        if to_behind.can_write_eof():
            to_behind.write_eof()
        await answering
        to_behind.close()

    def longest_gap(self) -> float:
        """The longest time between two questions, from the first server that was set to the last."""
        set_at = [at for at, has_set in self.asked if has_set]
        times = [at for at, _ in self.asked if set_at[0] <= at <= set_at[-1]]
        return max(later - earlier for earlier, later in pairwise(times))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.close()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes end
    checkouts = {"this checkout": Path(__file__).parents[1]}
    if len(sys.argv) > 1:
        checkouts["the other"] = Path(sys.argv[1]).resolve()
    seconds: dict[tuple[str, str], list[float]] = {}
    gaps: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        disks = {"as it is": "", f"{SYNC * 1000:.0f} ms a sync": str(_slow_syncs(Path(temporary)))}
        site = Site(Path(temporary, "site"), backends=1, nodes=NODES)
        watched = Watched(site.folder / "watched.sock", site.folder / "admin.sock")
        _let_it_be_watched(site, watched)
        with site.running(), watched.listening():
            for number in range(ROUNDS + 1):
                for name, checkout in checkouts.items():
                    for disk, library in disks.items():
                        watched.asked.clear()
                        took = _deploy(site, checkout, library)
                        if number:
                            seconds.setdefault((name, disk), []).append(took)
                            gaps.setdefault((name, disk), []).append(watched.longest_gap())
    print(f"\n{NODES} nodes, {WINDOW} at a time")
    for (name, disk), times in seconds.items():
        tell(f"{name}, {disk}", f"{median(times):.1f} s")
        tell("  HAProxy is not looked at for", f"{median(gaps[name, disk]) * 1000:.0f} ms", "100 ms")


def _deploy(site: Site, checkout: Path, library: str) -> float:
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "XDG_STATE_HOME": f"{site.folder}/state of {checkout.name}",
        "LD_PRELOAD": library,
    }
    return run([sys.executable, "-P", "-m", "rollout", "deploy", "-i", site.inventory], environment).seconds


def _slow_syncs(folder: Path) -> Path:
    """The library."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_LIBRARY % round(SYNC * 1_000_000))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def _let_it_be_watched(site: Site, watched: Watched) -> None:
    given = yaml.safe_load(site.inventory.read_text())
    given["load_balancers"]["lb1"]["haproxy"] = f"unix://{site.folder}/watched.sock"
    given |= {"state": "local"}
    given["strategy"] |= {"window": WINDOW}
    site.inventory.write_text(yaml.safe_dump(given))


if __name__ == "__main__":
    main()
