"""The command line: finds the verb, runs it, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

from rollout import __version__
from rollout.cli.exit_codes import FAILED, INTERRUPTED, USAGE, exit_code_of
from rollout.cli.redaction import Redaction
from rollout.cli.tell_error import tell
from rollout.errors import RolloutError
from rollout.views.text import printable

# The module of a verb is imported only when the verb is used: it brings its libraries along.
VERBS = {
    "deploy": "roll a release (or a restart) over the nodes, losing no request",
    "status": "show the truth: every node, server, release, and the last deployment",
    "plan": "show what deploy would do, and touch nothing",
    "check": "prove beforehand that a deploy has all that it needs",
    "drain": "take nodes out of rotation by hand, and prove that they are drained",
    "ready": "put nodes that are healthy back into rotation by hand",
    "resume": "go on with a deployment that was interrupted or halted",
    "restore": "bring every node that deployments left out back, if it is healthy",
    "rollback": "put back the release that the nodes had before the last deployment",
    "promote": "let the running deployment go on after a pause",
    "halt": "let the running deployment finish the nodes in flight and start no other",
    "lock": "show who deploys the service now, or break a lock that was left",
    "history": "list the deployments of the service",
    "init": "write a commented inventory to start from",
    "schema": "print the inventory's JSON Schema, for editors",
    "lab": "start, stop and try a lab of real processes on this machine",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser(words[0] if words else "")
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    arguments = parser.parse_args(words)
    try:
        module = importlib.import_module(f"rollout.cli.verbs.{arguments.verb}")
        code: int = module.run(arguments)
        sys.stdout.flush()
        # The process ends: looking through all that was imported for garbage would take a tenth of a second.
        gc.freeze()
        return code
    except RolloutError as error:
        tell(error, getattr(arguments, "redaction", Redaction()))
        return exit_code_of(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except OSError as error:
        # Others are translated where they come from: this is our own output. What is left of it is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # then nobody reads on, as in `rollout status | head`
            sys.stderr.write(f"rollout: {printable(str(error))}\n")
        return FAILED


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollout", description="Rolling deploys behind HAProxy that lose no request.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"rollout {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, purpose in VERBS.items():
        one = verbs.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
        if name == verb:
            importlib.import_module(f"rollout.cli.verbs.{name}").add_arguments(one)
    return parser
