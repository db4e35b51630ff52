"""Words in the order that the parser expects, where another one says the same: help, the version, and options
before the verb."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.cli.command_line.parser import VERBS
from rollout.cli.command_line.table import takes_value

_HELP = ("help", "--help", "-h", "-help", "-?", "/?")
_VERSION = ("version", "--version", "-V", "-version")
_TAKE_ANY_NAME = ("drain", "ready")
"""The verbs whose arguments are names: a node may have the name `help`."""


def arranged(words: Sequence[str]) -> list[str]:
    """The words with the verb first. Nothing is guessed: what is no command line stays as it is."""
    words = list(words)
    match words:
        case [first, *rest] if first in _HELP:
            return [*(word for word in rest if word not in _HELP), "--help"]
        case [first] if first in (*_VERSION, "-v"):
            return ["--version"]
        case [verb, last] if verb in VERBS and last in _VERSION:
            return ["--version"]
        case [verb, "help"] if verb in VERBS and verb not in _TAKE_ANY_NAME:
            return [verb, "--help"]
        case [first, *_] if first.startswith("-"):
            at = first_word(words)
            if at < len(words) and words[at] in VERBS:
                return [words[at], *words[:at], *words[at + 1 :]]
            if at == len(words) and {"-h", "--help"} & {*words}:
                return ["--help"]
    return words


def first_word(words: Sequence[str]) -> int:
    """Where the first word stands that is neither an option nor its value."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        at += 2 if takes_value(words[at]) else 1
    return at
