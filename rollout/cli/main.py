"""The command line: finds the verb, runs it, and turns errors into messages and exit codes."""

from __future__ import annotations

import argparse
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

from rollout.cli.command_line.arrange import arranged
from rollout.cli.command_line.parser import VERBS, WrongLine, make_parser
from rollout.cli.empty_values import require_values
from rollout.cli.exit_codes import FAILED, INTERRUPTED, USAGE, exit_code_of
from rollout.errors import RolloutError

__all__ = ["VERBS", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default that of the process; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if "_ARGCOMPLETE" in os.environ:
        from rollout.cli.command_line.complete import complete

        complete()
    if not words:
        make_parser().print_help(sys.stderr)
        return USAGE
    arguments = argparse.Namespace()
    try:
        arguments = parsed(words)
        # Imported only when it is used: it loads libraries.
        module = importlib.import_module(f"rollout.cli.verbs.{arguments.verb}")
        code: int = module.run(arguments)
        sys.stdout.flush()
        # The process ends here: looking for garbage in all that was imported would take a tenth of a second.
        gc.freeze()
        return code
    except RolloutError as error:
        from rollout.cli.redaction import Redaction
        from rollout.cli.tell_error import tell

        tell(error, getattr(arguments, "redaction", Redaction()))
        if getattr(arguments, "junit", None) is not None:
            from rollout.cli.reports import report_refusal

            report_refusal(arguments, error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except OSError as error:
        # Adapters translate all others: this one concerns our own output, the rest of which is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader is gone, as in `rollout status | head`
            from rollout.views.text import printable

            sys.stderr.write(f"rollout: {printable(str(error))}\n")
        return FAILED


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line. Raises UsageError, which says what was meant; SystemExit for help."""
    require_values(words)
    words = arranged(words)
    try:
        return make_parser(words[0]).parse_args(words)
    except WrongLine as error:
        from rollout.cli.command_line.meant import explained

        raise explained(words, str(error)) from None
