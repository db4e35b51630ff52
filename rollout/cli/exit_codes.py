"""The exit codes, which scripts and CI rely on. 0 is done."""

from rollout.errors import RolloutError, UsageError

FAILED = 1
"""A deployment failed, or a node could not be drained or put back."""
USAGE = 2
"""The command line or the inventory is wrong; nothing was touched."""
REFUSED = 3
"""Refused before anything was touched."""
INTERRUPTED = 130
"""A deployment was halted or interrupted."""


def exit_code_of(error: RolloutError) -> int:
    """The exit code of a verb that an error ended before it touched anything.

    Once a deployment has begun, its outcome decides the exit code instead.
    """
    return USAGE if isinstance(error, UsageError) else REFUSED
