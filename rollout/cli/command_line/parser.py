"""The parser of the command line, made from the files of `verbs/`."""

from __future__ import annotations

import argparse
import importlib
from types import ModuleType
from typing import NoReturn

from rollout import __version__
from rollout.errors import UsageError

VERBS = {
    "deploy": "roll a release, or a restart, over the nodes without losing a request",
    "status": "show every node and server as it is now, and the last deployment",
    "plan": "show what a deploy would do; touches nothing",
    "check": "find out whether a deploy has everything it needs; touches nothing",
    "drain": "take nodes out of rotation, and wait until they are drained",
    "ready": "put healthy nodes back into rotation",
    "resume": "continue a deployment that was interrupted or halted",
    "restore": "return nodes that deployments left out to rotation, if they are healthy",
    "rollback": "give nodes back the release they had before the last deployment",
    "promote": "let a paused deployment continue",
    "halt": "let the nodes in flight finish, and start no other node",
    "lock": "show who is deploying the service, or break the lock",
    "history": "list the deployments of the service: who, when, how long, and why they failed",
    "show": "tell one deployment in full: plan, steps, commands, verdicts, what users saw",
    "report": "write one deployment down as a page, a picture, or text for chats and tickets",
    "why": "tell what happened to one node, in words",
    "init": "write a commented inventory to start from",
    "hook": "print a file that lets the application's workers report to a restart",
    "schema": "print the JSON Schema of inventories, for editors",
    "completion": "print what lets a shell complete verbs, options, nodes and releases",
    "man": "print the manual page",
    "lab": "try rollout on this machine: real nodes behind a real HAProxy",
}
"""The verbs and their purposes. What a verb accepts is imported only when it is used."""

DESCRIPTION = "Rolling deploys behind HAProxy that lose no request."

EXAMPLES = {
    "rollout lab demo": "see a deployment on this machine",
    "rollout init prod.yml": "write an inventory for your service",
    "rollout check -i prod.yml": "find out what is missing",
    "rollout deploy -i prod.yml --release 1.4.2": "put a release on all nodes",
}

EXIT_CODES = {
    0: "done",
    1: "failed",
    2: "wrong inventory or command line",
    3: "refused before anything was touched",
    130: "interrupted or halted",
}

ENVIRONMENT = {
    "ROLLOUT_INVENTORY": "the inventory, where --inventory names none",
    "XDG_STATE_HOME": "the folder of this machine's copy of the history (default: ~/.local/state)",
    "NO_COLOR": "if it is set, nothing is coloured",
}


class WrongLine(UsageError):
    """The command line cannot be parsed."""


class Parser(argparse.ArgumentParser):
    """A parser that raises WrongLine for what it cannot parse."""

    def error(self, message: str) -> NoReturn:
        raise WrongLine(message)


def make_parser(*verbs: str) -> Parser:
    """The parser, which knows the options and arguments of these verbs."""
    parser = Parser(
        prog="rollout",
        description=DESCRIPTION,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"rollout {__version__}")
    choices = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    for name, purpose in VERBS.items():
        one = choices.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name in verbs:
            described = verb_line(name)
            described.add_arguments(one)
            one.epilog = _listed("examples", described.EXAMPLES)
            if note := getattr(described, "NOTE", ""):
                one.epilog += f"\n\n{note}"
    return parser


def verb_line(verb: str) -> ModuleType:
    """What a verb accepts: `add_arguments`, `EXAMPLES` with their purposes, and `NOTE` if it has one."""
    return importlib.import_module(f"rollout.cli.command_line.verbs.{verb}")


def _epilog() -> str:
    codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return (
        _listed("start here", EXAMPLES)
        + "\n\n`rollout VERB --help` shows the options and examples of a verb.\n"
        + f"exit codes: {codes}"
    )


def _listed(title: str, examples: dict[str, str]) -> str:
    """Each example with its purpose beside it, or below it where the line would get long."""
    width = max(map(len, examples))
    if width + max(map(len, examples.values())) <= 90:
        lines = [f"  {line:{width}}  # {purpose}" for line, purpose in examples.items()]
    else:
        lines = [f"  {line}\n      {purpose}" for line, purpose in examples.items()]
    return "\n".join([f"{title}:", *lines])
