"""Empty values on the command line, which come from variables that are not set."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rollout.errors import UsageError


def require_values(words: Sequence[str]) -> None:
    """Refuse a command line with an empty value, as `--release "$VERSION"` has if the variable is not set.

    Nothing on a command line of rollout is empty on purpose. Raises UsageError.
    """
    for before, word in itertools.pairwise(["", *words]):
        name, equals, value = word.partition("=")
        if equals and name.startswith("--") and not value.strip():
            raise _without_value(name)
        if not word.strip():
            raise _without_value(before if before.startswith("-") else "an argument")


def _without_value(what: str) -> UsageError:
    return UsageError(f"{what} has no value", hint="is the variable set that should give it?")
