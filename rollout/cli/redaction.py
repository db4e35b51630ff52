"""The redaction: no value of a variable of the inventory is shown or kept."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable
from typing import Any

from rollout.cli.folds import Folds, occurrences
from rollout.cli.secret_forms import base64_forms, parts, written_forms
from rollout.cli.secret_patterns import any_of, begins
from rollout.events import (
    DeploymentStarted,
    Event,
    HookPrinted,
    OutputSeen,
    ServerNoted,
    StepFailed,
    to_fields,
)
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
_UNSEEN = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # colours and the like
    "|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)"  # titles and links
    "|\x1b[ -/]*[0-~]"
    "|[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]"
)
"""What a terminal does not show."""
_CUT = 4_000
"""Characters at which a printed line is cut: it may end with the beginning of a value."""


class Redaction:
    """Masks the values of an inventory's variables."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        all_parts = {part for value in values for part in parts(value)}
        written = _long_enough(form for part in all_parts for form in written_forms(part))
        templates = {form for form in written if _PLACEHOLDER.search(form)}
        plain = written - templates
        in_base64 = _long_enough(
            form for part in all_parts if not _PLACEHOLDER.search(part) for form in base64_forms(part)
        )
        self._forms = plain | in_base64
        self._folds = Folds(self._forms)
        filled_in = [r"\S*?".join(map(re.escape, _PLACEHOLDER.split(form))) for form in templates]
        patterns = [f"(?i:{pattern})" for pattern in sorted(filled_in, key=len, reverse=True)]
        if self._forms:
            found = f"(?i:{any_of(plain)})|{any_of(in_base64)}" if plain else any_of(in_base64)
            patterns.append(f"{begins(self._forms)}(?:{found})")
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def text(self, text: str) -> str:
        """`text` with every value masked."""
        if self._pattern is None:
            return text
        masked = self._pattern.sub(MASK, text)
        if _UNSEEN.search(masked):
            masked = self._between_the_unseen(masked)
        return self._uncut(masked) if len(text) >= _CUT else masked

    def printed(self, line: str) -> str:
        """A line that a command printed, with every value masked, and what it has of values that are printed
        over several lines."""
        return line if self._pattern is None else self.text(self._folds.masked(line))

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
        match event:
            case OutputSeen(node=node, step=step, text=text):  # of which there may be a million
                return OutputSeen(node, step, self.printed(text))
            case HookPrinted(hook=hook, node=node, text=text):
                return HookPrinted(self.text(hook), node, self.printed(text))
        fields = self.value(to_fields(event))
        match event:
            case StepFailed(reason=reason, tail=tail):
                fields |= {"reason": self.printed(reason), "tail": tuple(map(self.printed, tail))}
            case DeploymentStarted():
                fields |= {name: getattr(event, name) for name in _OWN}
            case ServerNoted(backend=backend, server=server):
                fields |= {"backend": self.name(backend), "server": self.name(server)}
        return dataclasses.replace(event, **fields)

    def _between_the_unseen(self, text: str) -> str:
        """`text` with values masked that what does not show, such as a change of colour, stands within."""
        assert self._pattern is not None  # noqa: S101 - the caller has looked
        seen: list[int] = []
        end = 0
        for unseen in _UNSEEN.finditer(text):
            seen += range(end, unseen.start())
            end = unseen.end()
        seen += range(end, len(text))
        masked, end = "", 0
        for match in self._pattern.finditer("".join(text[at] for at in seen)):
            masked += text[end : seen[match.start()]] + MASK
            end = seen[match.end() - 1] + 1
        return masked + text[end:]

    def _uncut(self, text: str) -> str:
        """`text`, which was cut, with the beginning of a value at its end masked."""
        ends = ((form, text[-len(form) + 1 :]) for form in self._forms)
        begun = (
            end[at:]
            for form, end in ends
            for at in occurrences(form[:_SHORTEST], end)
            if form.startswith(end[at:])
        )
        longest = max(begun, key=len, default="")
        return text.removesuffix(longest) + MASK if longest else text


def _long_enough(forms: Iterable[str]) -> set[str]:
    """The forms that are secrets; placeholders, which are filled in, do not count."""
    return {form for form in forms if len(_PLACEHOLDER.sub("", form)) >= _SHORTEST}


def _is_text(value: Any) -> bool:
    """Whether `value` is a text, or a sequence of texts."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )
