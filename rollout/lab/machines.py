"""Machines of a lab: each is an address and a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Machine:
    """An address with an sshd of its own."""

    name: str
    host: str
    port: int
    """Port on which it answers HTTP."""
    folder: Path

    @property
    def url(self) -> str:
        """The URL of its HTTP port."""
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Node(Machine):
    """A machine that runs the application."""

    zone: str

    @property
    def draining(self) -> Path:
        """The file that makes the health page answer 404 while it exists."""
        return self.folder / "draining"


@dataclass(frozen=True, slots=True)
class LoadBalancer(Machine):
    """A machine that runs HAProxy."""

    def socket(self, level: Literal["admin", "operator", "user", "master"] = "admin") -> Path:
        """The path of the runtime socket with that permission level, or of the master socket."""
        return self.folder / f"{level}.sock"
