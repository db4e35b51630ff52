"""What the tests of inventories share beside their fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rollout.inventory import Inventory

ROOT = Path(__file__).parents[3]
EXAMPLES = [*sorted((ROOT / "inventories").glob("*.yml")), ROOT / "rollout/inventory/starter.yml"]

SECTIONS = {
    "service": "shop",
    "load_balancers": '{lb1: {haproxy: "unix:///run/haproxy.sock"}}',
    "nodes": "{web1: {host: 10.0.0.11}, web2: {host: 10.0.0.12}}",
    "restart": "{systemd: shop.service}",
}

Loads = Callable[..., Inventory]
Mistakes = Callable[..., list[str]]
Compose = Callable[..., str]
