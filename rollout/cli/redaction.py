"""Nothing that came from a variable is shown or kept."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from rollout.events import DeploymentStarted, Event, to_fields
from rollout.views.text import printable

T = TypeVar("T")

_MASK = "***"
_SHORTEST = 4
"""Characters. Shorter values are no secrets, and masking every `1` would make the output unreadable."""
_NAMES = frozenset(
    {"name", "node", "nodes", "skipped", "left_out", "load_balancer", "load_balancers", "target"}
)
"""Where keys of the inventory stand, which hold no variables: masked, a node could not be found again."""
_OWN = frozenset({"inventory", "user", "host"})
"""What `DeploymentStarted` says of this process, not of the inventory."""


class Redaction:
    """Masks the values of an inventory's variables."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # A multi-line value is printed line by line, so each line is masked, longest first.
        parts = {part for value in values for part in (value, *value.splitlines())}
        parts |= {repr(part)[1:-1] for part in parts}
        masked = sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, masked))) if masked else None

    def text(self, text: str) -> str:
        return self._pattern.sub(_MASK, text) if self._pattern else text

    def printable(self, text: str) -> str:
        """Masked, and with control characters made visible; lines stay lines."""
        return "\n".join(map(printable, self.text(text).split("\n")))

    def value(self, value: Any) -> Any:
        """The same for every text in a structure of lists and dictionaries; keys and names stay."""
        match value:
            case enum.Enum():
                return value
            case str():
                return self.text(value)
            case dict():
                return {
                    key: item if key in _NAMES and _is_text(item) else self.value(item)
                    for key, item in value.items()
                }
            case list() | tuple():
                return type(value)(self.value(item) for item in value)
        return value

    def event(self, event: Event) -> Event:
        """The event with every text masked."""
        fields = self.value(to_fields(event))
        if isinstance(event, DeploymentStarted):
            fields |= {name: getattr(event, name) for name in _OWN}
        return dataclasses.replace(event, **fields)


def is_masked(text: str | None) -> bool:
    """Whether some of what was written is not there any more."""
    return text is not None and _MASK in text


def _is_text(value: Any) -> bool:
    """A text, or a sequence of nothing else."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )
