"""`rollout` as people run it: a process of its own, with an inventory in a file."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support import prepared


def write_inventory(path: Path, sections: dict[str, Any]) -> Path:
    """An inventory of one node on this machine, without load balancers, but for what `sections` say."""
    whole = {
        "service": "shop",
        "load_balancers": {},
        "nodes": {"web1": {"host": "127.0.0.1", "ssh": "local"}},
        **sections,
    }
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


def rollout(*arguments: str, inventory: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with plain lines as in CI."""
    return prepared.run([*arguments, "--inventory", str(inventory), "--yes"], timeout=timeout)
