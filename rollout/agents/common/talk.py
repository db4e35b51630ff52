"""What an agent is told, and what it tells: lines for the journal, and at its end how it went."""

from __future__ import annotations

import os
import select
import sys
from typing import Any, Callable, Dict


class Failed(Exception):
    """What went wrong, in a line that ends the agent."""


def say(text: str) -> None:
    """A line for the journal."""
    print(text, flush=True)


def still_heard() -> None:
    """Raises BrokenPipeError if nobody listens any more, without a word."""
    ears = select.poll()
    ears.register(sys.stdout.fileno(), 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in ears.poll(0)):
        raise BrokenPipeError


def run(agent: Callable[[Dict[str, Any]], None], told: Dict[str, Any]) -> None:
    """Run the agent and exit: with 0, or with 1 after a last line that says why not."""
    try:
        agent(told)
    except Failed as failed:
        wrong = str(failed)
    except BrokenPipeError:  # nobody listens any more
        os._exit(1)
    except OSError as error:
        wrong = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        sys.exit(0)
    say(wrong)
    sys.exit(1)
