"""Standard error: what happened and what to do next, and what is waited for before the first event."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rollout.cli.redaction import Redaction
from rollout.errors import RolloutError
from rollout.views.annotations import annotation, in_checkout


def tell(error: RolloutError, redaction: Redaction) -> None:
    """Write an error and its hint to standard error, with values of variables masked."""
    sys.stderr.write(f"rollout: {redaction.printable(str(error))}\n")
    if error.hint:
        sys.stderr.write(f"hint: {redaction.printable(error.hint)}\n")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in _annotations(error):
            sys.stderr.write(f"{redaction.printable(line)}\n")


def _annotations(error: RolloutError) -> Iterator[str]:
    """For GitHub: each mistake beside its line of the inventory, or else the error."""
    for mistake in getattr(error, "mistakes", ()):
        line = mistake.position.line if mistake.position else None
        yield annotation("error", str(mistake), file=in_checkout(Path(mistake.file), os.environ), line=line)
    if not getattr(error, "mistakes", ()):
        yield annotation("error", str(error), title="rollout")


def teller(redaction: Redaction) -> Callable[[str], None]:
    """A function that writes a line to standard error, with values of variables masked."""

    def say(text: str) -> None:
        sys.stderr.write(f"rollout: {redaction.printable(text)}\n")
        sys.stderr.flush()

    return say
