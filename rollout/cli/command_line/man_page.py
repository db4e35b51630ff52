"""The manual page, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from rollout import __version__
from rollout.cli.command_line.parser import (
    DESCRIPTION,
    ENVIRONMENT,
    EXAMPLES,
    EXIT_CODES,
    VERBS,
    verb_line,
)
from rollout.cli.command_line.table import parsers, subparsers


def man_page() -> str:
    """The manual page in man's own format, for section 1."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH ROLLOUT 1 - "rollout {__version__}" "User Commands"'
    yield from (".SH NAME", f"rollout \\- {_text(DESCRIPTION[0].lower() + DESCRIPTION[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B rollout", ".I VERB", "[\\fIOPTION\\fR ...]")
    yield ".SH DESCRIPTION"
    yield "An inventory, one YAML file, describes a service, its nodes and its load balancers."
    yield from (".SH VERBS",)
    for verb, parser in parsers().items():
        yield f".SS rollout {verb}"
        yield _text(f"{VERBS[verb][0].upper()}{VERBS[verb][1:]}.")
        yield from _usage(parser)
        yield from _options(parser)
        for name, inner in subparsers(parser).items():
            yield from (".PP", f"\\fBrollout {verb} {_text(name)}\\fR")
            yield from _options(inner)
        line = verb_line(verb)
        if note := getattr(line, "NOTE", ""):
            yield from (".PP", _text(" ".join(note.split())))
        yield from _examples(line.EXAMPLES)
    yield from (".SH START HERE", *_examples(EXAMPLES))
    yield ".SH EXIT STATUS"
    yield from _described({str(code): meaning for code, meaning in EXIT_CODES.items()})
    yield ".SH ENVIRONMENT"
    yield from _described(ENVIRONMENT)


def _usage(parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield from (".PP", _text(usage))


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Each option and argument that the help shows, as it describes it."""
    formatter = parser._get_formatter()
    for action in parser._actions:
        if action.help in (None, argparse.SUPPRESS) or isinstance(action, argparse._SubParsersAction):
            continue
        yield ".TP"
        yield f".B {_text(formatter._format_action_invocation(action))}"
        yield _text(formatter._expand_help(action))


def _examples(examples: Mapping[str, str]) -> Iterator[str]:
    for line, purpose in examples.items():
        yield from (
            ".PP",
            f"{_text(purpose[0].upper() + purpose[1:])}:",
            ".RS 4",
            ".EX",
            _text(line),
            ".EE",
            ".RE",
        )


def _described(entries: Mapping[str, str]) -> Iterator[str]:
    for name, text in entries.items():
        yield from (".TP", f".B {_text(name)}", _text(text))


def _text(text: str) -> str:
    """`text` as roff shows it: nothing in it is a request, and each dash stays one that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith((".", "\\(aq")) else escaped
