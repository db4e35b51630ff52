"""Checks of the inventory's shell lines, as far as their text shows a mistake."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from rollout.decisions.doubts import restart_lines
from rollout.decisions.finding import Finding, Level
from rollout.inventory import Inventory
from rollout.inventory.hooks import HOOKS

_SUDO = re.compile(r"\bsudo\b(?P<words>[^'|;&\n]*)'(?P<script>[^']*)'")
_KEEPS = re.compile(r"\s(-\w*E\b|--preserve-env\b|[A-Za-z_]\w*=)|\benv\b")
_VARIABLE = re.compile(r"\$\{?(?P<name>[A-Za-z_]\w*)")


def sudo_findings(inventory: Inventory) -> list[Finding]:
    """A note for each shell line in which `sudo` empties a variable before a shell of its own expands it."""
    return [
        Finding(
            Level.NOTE,
            "inventory",
            f"{key}: sudo empties ${name} before the script in quotes can expand it",
            f'needs sudo --preserve-env={name}, or in sudoers: Defaults env_keep += "{name}"',
        )
        for key, line in _lines(inventory)
        if (name := emptied(line, inventory.variables)) is not None
    ]


def emptied(line: str, variables: Collection[str]) -> str | None:
    """The first variable of rollout, or of `variables`, that `sudo` hides from a script in single quotes."""
    for call in _SUDO.finditer(line):
        if _KEEPS.search(call["words"]):
            continue
        for used in _VARIABLE.finditer(call["script"]):
            if used["name"].startswith("ROLLOUT_") or used["name"] in variables:
                return used["name"]
    return None


def _lines(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Each shell line of the inventory, by its key."""
    given = {
        "prepare.command": inventory.prepare and inventory.prepare.command,
        "release.command": inventory.release and inventory.release.command,
    }
    hooks = {f"hooks.{name}": inventory.hooks.named(name) for name in HOOKS}
    yield from ((key, line) for key, line in given.items() if line)
    yield from restart_lines(inventory)
    yield from ((key, hook.command) for key, hook in hooks.items() if hook)
