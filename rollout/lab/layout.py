"""The layout of a lab: its machines, addresses and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rollout.lab.addresses import Addresses
from rollout.lab.machines import LoadBalancer, Machine, Node
from rollout.lab.processes import mark_of
from rollout.lab.settings import Settings


@dataclass(frozen=True, slots=True)
class Layout:
    """A lab in the folder `directory`. `home` is a path of the same folder that is short and plain."""

    directory: Path
    home: Path
    addresses: Addresses
    settings: Settings

    @property
    def mark(self) -> str:
        """The mark that each of its processes carries."""
        return mark_of(self.directory)

    @property
    def inventory(self) -> Path:
        """The path of the lab's inventory."""
        return self.directory / "inventory.yml"

    @property
    def nodes(self) -> list[Node]:
        """`web1`, `web2`, … in zones `a` and `b` by turns."""
        return [
            Node(
                name=f"web{number}",
                host=self.addresses.node(number),
                port=self.addresses.app,
                folder=self.home / "nodes" / f"web{number}",
                zone="a" if number % 2 else "b",
            )
            for number in range(1, self.settings.nodes + 1)
        ]

    @property
    def load_balancers(self) -> list[LoadBalancer]:
        """`lb1`, `lb2`, …"""
        return [
            LoadBalancer(
                name=f"lb{number}",
                host=self.addresses.load_balancer(number),
                port=self.addresses.http,
                folder=self.home / "load_balancers" / f"lb{number}",
            )
            for number in range(1, self.settings.load_balancers + 1)
        ]

    @property
    def machines(self) -> list[Machine]:
        """All load balancers and nodes."""
        return [*self.load_balancers, *self.nodes]

    @property
    def urls(self) -> list[str]:
        """The URLs of the service, one for each load balancer."""
        return [one.url for one in self.load_balancers]
