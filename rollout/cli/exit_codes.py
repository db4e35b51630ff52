"""Exit codes, which scripts and CI read; 0 is done."""

from rollout.errors import RolloutError, UsageError

FAILED = 1
"""A deployment that failed, or a node that could not be drained or put back."""
USAGE = 2
"""The command line or the inventory is wrong; nothing was touched."""
REFUSED = 3
"""Refused before anything was touched."""
INTERRUPTED = 130
"""A deployment that was halted or interrupted."""


def exit_code_of(error: RolloutError) -> int:
    """The exit code of a verb that failed with an error: by then, it has touched nothing.

    A deployment that began ends with an outcome instead.
    """
    return USAGE if isinstance(error, UsageError) else REFUSED
