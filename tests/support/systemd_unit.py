"""One unit of a host with systemd, `shop.service`, whose process writes a pidfile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollout.domain import Completed
from tests.support.until import wait

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost

UNIT = "shop.service"
PIDFILE = "/run/shop/shop.pid"


class SystemdUnit:
    """Not started yet. Its files lie in /run/shop."""

    def __init__(self, host: SystemdHost) -> None:
        self.host = host

    def write(self, name: str, text: str) -> None:
        assert self.host.run(f"cat > /run/shop/{name}", stdin=text).status == 0

    def start(self, settings: str) -> None:
        """Start it with these settings, and wait until there is a pidfile."""
        self.host.add_unit(UNIT, settings)
        started = self.host.run(f"systemctl start {UNIT}")
        assert started.status == 0, started.tail
        wait(lambda: self.host.run(f"cat {PIDFILE}").status == 0, "the pidfile")

    def run(self, line: str) -> Completed:
        """Run an agent there, as root."""
        return self.host.run(f"export TMPDIR=/run/shop\n{line}", timeout=60)

    def show(self, name: str) -> str:
        """One property, as systemd has it now."""
        (value,) = self.host.run(f"systemctl show {UNIT} -p {name} --value").tail
        return value

    @property
    def named(self) -> str:
        """The process id in the pidfile."""
        (pid,) = self.host.run(f"cat {PIDFILE}").tail
        return pid

    def remove(self) -> None:
        self.host.run(f"systemctl stop {UNIT}; systemctl reset-failed; rm -rf /run/shop")
        self.host.run(f"rm /etc/systemd/system/{UNIT}; systemctl daemon-reload")


@contextmanager
def installed(host: SystemdHost) -> Iterator[SystemdUnit]:
    """The unit, of which nothing is left afterwards."""
    host.run("mkdir /run/shop")
    unit = SystemdUnit(host)
    try:
        yield unit
    finally:
        unit.remove()
