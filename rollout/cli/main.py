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
from rollout.cli.empty_values import require_values
from rollout.cli.exit_codes import FAILED, INTERRUPTED, USAGE, exit_code_of
from rollout.cli.redaction import Redaction
from rollout.cli.tell_error import tell
from rollout.errors import RolloutError
from rollout.views.text import printable

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
    "lab": "try rollout on this machine: real nodes behind a real HAProxy",
}
"""The verbs and their purposes. A verb's module is imported only when it is used: it loads libraries."""

_EPILOG = """\
start here:
  rollout lab demo                            see a deployment on this machine
  rollout init prod.yml                       write an inventory for your service
  rollout check -i prod.yml                   find out what is missing
  rollout deploy -i prod.yml --release 1.4.2

`rollout VERB --help` shows the options of a verb.
exit codes: 0 done; 1 failed; 2 wrong inventory or command line; 3 refused before
anything was touched; 130 interrupted or halted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default that of the process; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser(words[0] if words else "")
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    arguments = argparse.Namespace()
    try:
        require_values(words)
        arguments = parser.parse_args(words)
        module = importlib.import_module(f"rollout.cli.verbs.{arguments.verb}")
        code: int = module.run(arguments)
        sys.stdout.flush()
        # The process ends here: looking for garbage in all that was imported would take a tenth of a second.
        gc.freeze()
        return code
    except RolloutError as error:
        tell(error, getattr(arguments, "redaction", Redaction()))
        return exit_code_of(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except OSError as error:
        # Adapters translate all others: this one concerns our own output, the rest of which is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader is gone, as in `rollout status | head`
            sys.stderr.write(f"rollout: {printable(str(error))}\n")
        return FAILED


def _parser(verb: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rollout",
        description="Rolling deploys behind HAProxy that lose no request.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rollout {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    for name, purpose in VERBS.items():
        one = verbs.add_parser(
            name,
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == verb:
            importlib.import_module(f"rollout.cli.verbs.{name}").add_arguments(one)
    return parser
