"""The machines of a lab: addresses and folders."""

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
    """Where it answers HTTP."""
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Node(Machine):
    zone: str

    @property
    def draining(self) -> Path:
        """While this file exists, the health page answers 404."""
        return self.folder / "draining"


@dataclass(frozen=True, slots=True)
class LoadBalancer(Machine):
    def socket(self, level: Literal["admin", "operator", "user", "master"] = "admin") -> Path:
        """Its runtime socket with that permission level, or that of its master process."""
        return self.folder / f"{level}.sock"
