"""Which verb or option a mistyped word was meant to be."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from difflib import get_close_matches

from rollout.cli.command_line.parser import VERBS
from rollout.cli.command_line.synonyms import stand_for
from rollout.cli.command_line.table import options

_SHORTEST = 3
"""Letters of a word that is cut off, from which on it is completed."""
_CLOSE = 0.6
"""How much of two words must be the same, from 0 to 1."""
_DASHES = "-‐‑‒–—−"
"""A dash, and what word processors and chats make of two."""


def alike(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant; empty if there is none."""
    begin = [one for one in known if one.startswith(word)] if len(word.lstrip("-")) >= _SHORTEST else []
    if len(begin) == 1:
        return begin[0]
    close = get_close_matches(word, known, n=1, cutoff=_CLOSE)
    return close[0] if close else ""


def is_option(word: str) -> bool:
    """Whether a word looks like an option, also with another dash than ours."""
    return len(word) > 1 and word[0] in _DASHES


def usual(option: str) -> str:
    """An option with our dashes and small letters: `--allow-outage` for `—Allow_Outage`."""
    name = option.lstrip(_DASHES)
    return f"-{name}" if len(name) == 1 else f"--{name.lower().replace('_', '-')}"


def meant_option(verb: str, option: str) -> str:
    """The option of `verb` that was meant; empty if there is none."""
    known = options(verb)
    name = usual(option)
    candidates = [option, name, *stand_for(option), *stand_for(name)]
    if found := next((one for one in candidates if one in known), ""):
        return found
    if having(name):
        return ""
    return alike(name, [one for one in known if one.startswith("--")]) if len(name) > 2 else ""


def having(option: str) -> list[str]:
    """The verbs that have an option, and show it in their help."""
    return [
        verb
        for verb in VERBS
        if (action := options(verb).get(option)) is not None and action.help != argparse.SUPPRESS
    ]
