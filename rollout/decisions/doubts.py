"""Doubts about an inventory: settings that can be carried out, but were probably meant otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.inventory.command import COMMAND_LINES, Command
from rollout.inventory.hooks import HOOKS
from rollout.inventory.model import Inventory
from rollout.inventory.quantities import Amount
from rollout.inventory.template import left_as_written


def doubts(inventory: Inventory) -> Iterator[str]:
    """A sentence for each doubt, which names the key."""
    yield from _more_than_there_are(inventory)
    for key, line in _shell_lines(inventory):
        for placeholder, variable in left_as_written(line):
            yield f"{key}: {placeholder} stays as it is in a shell line; ${variable} has the value"


def percentage_meant(amount: Amount, total: int) -> str:
    """`; did you mean 50%?` for the count 50 among fewer; empty for an amount that is no usual percentage."""
    likely = amount.count is not None and max(total, 9) < amount.count <= 100
    return f"; did you mean {amount.count}%?" if likely else ""


def restart_lines(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """The shell lines of all restarts, each after its key."""
    for key, restart in inventory.restarts.items():
        if isinstance(restart.command, Command):
            for name in COMMAND_LINES:
                if (line := getattr(restart.command, name)) is not None:
                    yield f"{key}.command.{name}", line
        elif restart.command is not None:
            yield f"{key}.command", restart.command
        if restart.start is not None:
            yield f"{key}.start", restart.start
        if restart.celery is not None:
            yield f"{key}.celery.start", restart.celery.start


def _more_than_there_are(inventory: Inventory) -> Iterator[str]:
    """Counts of nodes above the number of nodes. They mean all of them, and have always done so."""
    strategy, total = inventory.strategy, len(inventory.nodes)
    amounts = [("canary", strategy.canary), *(("waves", wave) for wave in strategy.waves)]
    amounts.append(("window", strategy.window))
    has = f"the service has {total} node{'s' if total > 1 else ''}"
    for key, amount in amounts:
        if amount is not None and amount.count is not None and amount.count > total:
            yield f"strategy.{key} is {amount}, but {has}{percentage_meant(amount, total)}"
    if strategy.max_failures > total:
        yield f"strategy.max_failures is {strategy.max_failures}, but {has}: no failure would halt it"


def _shell_lines(inventory: Inventory) -> Iterator[tuple[str, str]]:
    """Every shell line, after its key."""
    if inventory.prepare is not None:
        yield "prepare.command", inventory.prepare.command
    if inventory.release is not None and inventory.release.command is not None:
        yield "release.command", inventory.release.command
    yield from restart_lines(inventory)
    judge = inventory.strategy.judge
    if judge != "off" and judge.command is not None:
        line = judge.command if isinstance(judge.command, str) else judge.command.command
        yield "strategy.judge.command", line
    for name in HOOKS:
        if (hook := inventory.hooks.named(name)) is not None:
            yield f"hooks.{name}", hook.command
