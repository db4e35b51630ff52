"""The commands to run next, after a deployment that did not reach its end."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rollout.decisions.progress import Progress
from rollout.views.text import few


@dataclass(frozen=True, slots=True)
class NextCommand:
    """A command line as a shell takes it, its effect in a few words, and more about the effect."""

    line: str
    effect: str
    more: str


def next_commands(
    progress: Progress, inventory: str, left_out: Collection[str] = (), *, ended: bool = False
) -> Iterator[NextCommand]:
    """The commands to run next, the best one first; `inventory` is the path that they name.

    `left_out` are nodes that earlier deployments left out, too. A deployment that `ended` well needs nothing
    for itself.
    """
    if progress.unfinished and not ended:
        yield NextCommand(command_line("resume", inventory), "continue", "where it stopped")
    if out := tuple(dict.fromkeys((*progress.maybe_out, *left_out))):
        put_back = f"put {few(out)} back"
        yield NextCommand(command_line("restore", inventory), put_back, "as it was, if it is healthy")
    if forgotten := [name for name in progress.left_out if progress.nodes[name].forgotten_by]:
        yield NextCommand(
            command_line("drain", inventory, "--keep", *forgotten),
            f"keep {few(forgotten)} out",
            "over a reload of HAProxy, or see what that takes",
        )
    if ended:
        return
    if progress.touched and progress.release is not None and progress.rollback_of is None:
        yield NextCommand(
            command_line("rollback", inventory), "put the old release back", f"on {few(progress.touched)}"
        )


def status_command(inventory: str) -> NextCommand:
    """The command that shows the state of every node, and changes nothing."""
    return NextCommand(command_line("status", inventory), "see", "where every node stands")


def command_line(verb: str, inventory: str, *words: str) -> str:
    """A command line of rollout, as a shell takes it."""
    return shlex.join(["rollout", verb, "-i", inventory, *words])
