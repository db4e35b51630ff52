"""All options of all verbs, as a table."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Mapping

from rollout.cli.command_line.parser import VERBS, Parser, make_parser

Options = Mapping[str, argparse.Action]
"""The options of a verb, by each of their names."""


@functools.cache
def parsers() -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    return subparsers(make_parser(*VERBS))


@functools.cache
def options(verb: str) -> Options:
    """The options of a verb, and those of its actions."""
    return {name: action for one in _nested(parsers()[verb]) for name, action in _own(one)}


def subparsers(parser: Parser | argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parsers of a parser's verbs or actions, by name; empty if it has none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def arguments(verb: str) -> list[argparse.Action]:
    """The arguments of a verb that are no options, in order."""
    return [action for action in parsers()[verb]._actions if not action.option_strings]


def is_switch(option: argparse.Action) -> bool:
    """Whether an option takes no value."""
    return option.nargs == 0


def takes_value(word: str) -> bool:
    """Whether the next word is this option's value, for a verb that has such an option."""
    known = (options(verb).get(word) for verb in VERBS)
    return any(option is not None and not is_switch(option) for option in known)


def _nested(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for inner in subparsers(parser).values():
        yield from _nested(inner)


def _own(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    for action in parser._actions:
        for name in action.option_strings:
            yield name, action
