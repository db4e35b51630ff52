"""Questions to the person at the terminal."""

from __future__ import annotations

import sys


def on_terminal() -> bool:
    """Whether a person reads what is printed, and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def confirmed(question: str) -> bool:
    """Ask a question; True only for `y` or `yes`."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
