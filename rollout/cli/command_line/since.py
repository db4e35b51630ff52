"""The moment that `--since` names."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import datetime

_DAYS = re.compile(r"([0-9]{1,4})(d|w)")
_SECONDS = {"d": 86_400, "w": 7 * 86_400}


def moment_since(text: str, now: Callable[[], float] = time.time) -> float:
    """Unix time of a moment such as `2026-11-30`, `2026-11-30T02:00` (here, unless it names a zone), or of
    one so long ago: `12h`, `7d`, `2w`. Raises ArgumentTypeError."""
    from rollout.inventory.quantities import parse_duration  # it brings all that inventories need

    if days := _DAYS.fullmatch(text):
        return now() - int(days[1]) * _SECONDS[days[2]]
    try:
        return now() - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            "expected a date such as 2026-11-30 or 2026-11-30T02:00, or a time ago such as 12h or 7d"
        ) from None
