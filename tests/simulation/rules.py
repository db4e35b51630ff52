"""The rules of one deployment, by which it is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What the inventory allows, counted without the engine. `window` is in nodes."""

    window: int
    closes: bool
    """Sessions that are left may be ended."""
    listed: bool
    """The inventory names the load balancers, so that the engine can look at them."""
    least: int = 1
    """The servers of each backend that must go on to serve."""
