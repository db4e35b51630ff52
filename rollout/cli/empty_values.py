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
        if equals and name.startswith("-") and not value.strip():
            raise without_value(name)
        if word.startswith("-") and word[1:2].isalpha() and word[2:].isspace():  # as in `-i" "`
            raise without_value(word.strip())
        if not word.strip():
            raise without_value(before if before.startswith("-") else "an argument")


def without_value(what: str) -> UsageError:
    """The error for an option, an argument or a variable that is empty."""
    return UsageError(f"{what} has no value", hint="is the variable set that should give it?")
