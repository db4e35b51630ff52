"""Errors on standard error: what happened, and what to do next."""

from __future__ import annotations

import sys

from rollout.cli.redaction import Redaction
from rollout.errors import RolloutError


def tell(error: RolloutError, redaction: Redaction) -> None:
    """Write an error and its hint to standard error, with values of variables masked."""
    sys.stderr.write(f"rollout: {redaction.printable(str(error))}\n")
    if error.hint:
        sys.stderr.write(f"hint: {redaction.printable(error.hint)}\n")
