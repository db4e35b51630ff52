"""`restart.command`: a shell line of the inventory. Its exit status is all that is known of it."""

from __future__ import annotations

from rollout.restart.driver import Fill, Restarting


def restarting(line: str, timeout: float, _: Fill) -> Restarting:
    return Restarting(timeout=timeout, command=line)
