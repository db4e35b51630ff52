"""Loopback addresses of one's own: a port is free there, even while nobody listens on it."""

from __future__ import annotations

import random

_random = random.SystemRandom()


def own_address() -> str:
    """An address of 127.0.0.0/8 that nobody else uses."""
    return ".".join(str(_random.randint(1, 254)) if place else "127" for place in range(4))
