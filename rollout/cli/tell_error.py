"""An error as people read it: what happened, and what to do next."""

from __future__ import annotations

import sys

from rollout.cli.redaction import Redaction
from rollout.errors import RolloutError


def tell(error: RolloutError, redaction: Redaction) -> None:
    """An error and what to do about it, on standard error."""
    sys.stderr.write(f"rollout: {redaction.printable(str(error))}\n")
    if error.hint:
        sys.stderr.write(f"hint: {redaction.printable(error.hint)}\n")
