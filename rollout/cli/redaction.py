"""The redaction: no value of a variable of the inventory is shown or kept."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from rollout.events import DeploymentStarted, Event, ServerNoted, to_fields
from rollout.masks import MASK, masked_name
from rollout.views.text import printable

_SHORTEST = 4
"""Characters. A shorter value is no secret, and masking every `1` would make the output unreadable."""
_NAMES = frozenset(
    {"name", "node", "nodes", "skipped", "left_out", "load_balancer", "load_balancers", "target"}
)
"""Fields that hold keys of the inventory: they have no variables, and a masked node could not be found."""
_OWN = frozenset({"inventory", "user", "host"})
"""Fields of `DeploymentStarted` about this process, which do not come from the inventory."""
_PLACEHOLDER = re.compile(r"\{(?:host|node|release)\}")
"""The placeholders of a template, which is shown with them filled in."""
_CUT = 4_000
"""Characters at which a printed line is cut: it may end with the beginning of a value."""


class Redaction:
    """Masks the values of an inventory's variables."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        shown = {form for value in values for part in _parts(value) for form in _forms(part)}
        secret = (part for part in shown if len(_PLACEHOLDER.sub("", part)) >= _SHORTEST)
        self._masked = sorted(secret, key=len, reverse=True)
        patterns = [r"\S*?".join(map(re.escape, _PLACEHOLDER.split(part))) for part in self._masked]
        # Names of hosts and headers are shown in small letters.
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def text(self, text: str) -> str:
        """`text` with every value masked."""
        if self._pattern is None:
            return text
        masked = self._pattern.sub(MASK, text)
        return self._uncut(masked) if len(text) >= _CUT else masked

    def name(self, name: str) -> str:
        """`name`, or a digest of it if it has a value in it: by that it can still be found again."""
        return name if self.text(name) == name else masked_name(name)

    def printable(self, text: str) -> str:
        """`text` with every value masked and control characters made visible; lines stay lines."""
        return "\n".join(map(printable, self.text(text).split("\n")))

    def value(self, value: Any) -> Any:
        """A structure of lists and dictionaries with every text in it masked; keys and names stay."""
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
        elif isinstance(event, ServerNoted):
            fields |= {"backend": self.name(event.backend), "server": self.name(event.server)}
        return dataclasses.replace(event, **fields)

    def _uncut(self, text: str) -> str:
        """`text`, which was cut, with the beginning of a value at its end masked."""
        begun = (
            size
            for part in self._masked
            for size in range(len(part) - 1, _SHORTEST - 1, -1)
            if text.endswith(part[:size])
        )
        size = max(begun, default=0)
        return text[: len(text) - size] + MASK if size else text


def _parts(value: str) -> Iterator[str]:
    """The value, and every part of it that may be shown by itself."""
    yield value
    for line in value.splitlines():  # a command prints it line by line
        yield line
        yield line.removeprefix("~")  # which is shown as the home folder
        if "://" in line:
            try:
                parts = urlsplit(line)
                hidden = (parts.username, parts.password, parts.hostname, parts.path, parts.query)
            except ValueError:
                continue
            yield from filter(None, hidden)
        elif "@" in line:  # a jump host, or several
            for hop in line.split(","):
                user, _, where = hop.rpartition("@")
                yield from (user, where, where.partition(":")[0])


def _forms(part: str) -> tuple[str, ...]:
    """The forms of a value in a Python message, in JSON, in a shell line and in a URL."""
    in_shell = part.replace("'", "'\"'\"'")
    return (
        part,
        repr(part)[1:-1],
        json.dumps(part)[1:-1],
        in_shell,
        *(quote(part, safe=safe, errors="surrogatepass") for safe in ("/", "")),
    )


def _is_text(value: Any) -> bool:
    """Whether `value` is a text, or a sequence of texts."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )
