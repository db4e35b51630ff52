"""A shop that a shell script keeps running, and that only shell lines restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rollout.agents.common.proc import find
from tests.support.command import rollout, write_inventory
from tests.support.load import Load
from tests.support.loopback import own_address
from tests.support.until import wait

SHOP = Path(__file__).parents[1] / "supervisor" / "shop.py"
PORT = 8000
KEEPER = """\
cd {folder}
echo $$ >keeper
while :; do
    {python} {shop} {address} {port} >>log 2>&1 &
    echo $! >pid
    wait $!
    [ $? != 1 ] || exit
done
"""
"""It starts a process that was ended anew, but gives up once one cannot start."""


class KeptShop:
    """The script, and the lines that an inventory has for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = own_address()
        self.put("1")
        script = KEEPER.format(
            folder=folder, python=sys.executable, shop=SHOP, address=self.address, port=PORT
        )
        (folder / "keep.sh").write_text(script)
        self.start = f"setsid sh {folder}/keep.sh >/dev/null 2>&1 &"
        self.restart = f'kill "$(cat {folder}/pid)"'
        self.proof = f'pid=$(cat {folder}/pid); grep -q "^State:.[^Z]" "/proc/$pid/status" && echo "$pid"'
        self.check = f"! grep -q broken {folder}/release || {{ echo no such table: orders; false; }}"
        self.explain = f"tail -n 3 {folder}/log"

    def put(self, release: str) -> None:
        """Put a release on the disk: what is started from now on is of it."""
        (self.folder / "release").write_text(release)

    def run(self) -> int:
        """Start the script, and wait until the shop answers; its process id."""
        subprocess.run(["sh", "-c", self.start], check=True)
        wait(self.answers, "the shop")
        return self.pid

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    def answers(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex((self.address, PORT)) == 0

    def inventory(
        self, command: dict[str, Any], *, start: str | None = None, timeout: str = "10s", **sections: Any
    ) -> Path:
        line = f'printf %s "$ROLLOUT_RELEASE" > {self.folder}/release'
        sections = {
            "release": {"command": line},
            "restart": {"command": command, "timeout": timeout, **({"start": start} if start else {})},
            "health": {
                "http": f"http://{self.address}:{PORT}/",
                "interval": "50ms",
                "timeout": "5s",
            },
            **sections,
        }
        return write_inventory(self.folder / "shop.yml", sections)

    def deploy(self, release: str, inventory: Path) -> subprocess.CompletedProcess[str]:
        return rollout("deploy", "--release", release, inventory=inventory)

    def load(self) -> Load:
        return Load(self.address, PORT)

    def end(self) -> None:
        with suppress(OSError, ValueError):
            keeper = find(int((self.folder / "keeper").read_text()))
            if keeper is not None:
                os.killpg(keeper.pid, signal.SIGKILL)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptShop]:
    shop = KeptShop(tmp_path)
    yield shop
    shop.end()
