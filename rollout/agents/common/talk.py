"""How an agent talks to the machine that sent it: lines for the journal, and at the end how it went."""

from __future__ import annotations

import os
import select
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, TypeVar

Options = TypeVar("Options")


class Failed(Exception):
    """The reason why an agent ends without success, in one line."""

    exit_status = 1
    """The exit status of the agent. The other side knows each kind of failure by its status."""


class NotRunning(Failed):
    """The application does not run, so there is nothing to restart."""

    exit_status = 69


class NotThere(Failed):
    """What would be restarted is not on the node. A release may bring it."""

    exit_status = 72


class Untouched(Failed):
    """The restart was refused before anything was signalled, or came to nothing: what ran before runs on as
    it did."""

    exit_status = 65


@contextmanager
def nothing_signalled(*, check: bool) -> Iterator[None]:
    """What is done before anything is signalled: a failure of the block is raised as Untouched, unless it is
    NotRunning. A `check` signals nothing anyway."""
    try:
        yield
    except Failed as failed:
        if check or isinstance(failed, NotRunning):
            raise
        raise Untouched(str(failed)) from None


def say(text: str) -> None:
    """Print a line for the journal."""
    print(text, flush=True)


def still_heard() -> None:
    """Raises BrokenPipeError once nobody reads the agent's output; it finds that out without printing."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0)):
        raise BrokenPipeError


def run(main: Callable[[Options], None], options: Options) -> None:
    """Run an agent and exit: with 0, or with the status of its failure after a last line that says why."""
    status = Failed.exit_status
    try:
        main(options)
    except Failed as failed:
        reason, status = str(failed), failed.exit_status
    except BrokenPipeError:  # nobody listens any more
        os._exit(1)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        sys.exit(0)
    say(reason)
    sys.exit(status)
