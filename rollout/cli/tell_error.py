"""Standard error: what happened and what to do next, and what is waited for before the first event."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rollout.cli.redaction import Redaction
from rollout.errors import RolloutError


def tell(error: RolloutError, redaction: Redaction) -> None:
    """Write an error and its hint to standard error, with values of variables masked."""
    sys.stderr.write(f"rollout: {redaction.printable(str(error))}\n")
    if error.hint:
        sys.stderr.write(f"hint: {redaction.printable(error.hint)}\n")


def teller(redaction: Redaction) -> Callable[[str], None]:
    """A function that writes a line to standard error, with values of variables masked."""

    def say(text: str) -> None:
        sys.stderr.write(f"rollout: {redaction.printable(text)}\n")
        sys.stderr.flush()

    return say
