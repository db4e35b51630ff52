"""The verbs of `rollout` themselves, each as a new process in a simulated world."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

from rollout.adapters.haproxy import all_states, console, looks
from rollout.adapters.journal import SqliteJournal
from rollout.adapters.journal.shared import SharedJournal
from rollout.cli import held, node_verbs, session
from rollout.cli.command_line.parser import make_parser
from rollout.cli.redaction import Redaction
from rollout.cli.verbs import deploy, drain, ready, restore, resume, rollback
from rollout.cli.wiring import OpenSite
from rollout.domain import Outcome
from rollout.engine import site
from rollout.engine.hold import Hold
from rollout.events import Event, Record
from rollout.inventory import Inventory, strategy
from tests.simulation.deployers import Deployers, copy_of
from tests.simulation.loop import world_time
from tests.simulation.world import World

_VERBS: dict[str, Any] = {
    "deploy": deploy,
    "resume": resume,
    "rollback": rollback,
    "restore": restore,
    "ready": ready,
    "drain": drain,
}
BY_HAND = ("restore", "ready", "drain")
"""Verbs of which no journal tells each command."""
_OUTCOMES = {0: Outcome.DONE, 1: Outcome.FAILED, 130: Outcome.INTERRUPTED}
"""What an exit code means."""
_BAKE = 5.0
"""Seconds of the bake that no inventory asked for, wherever the simulation runs."""
_REJOIN = 4.0
"""Seconds in which HAProxy's checks must pass, where no health page says how long: not minutes here."""


async def run_verb(verb: str, words: Sequence[str]) -> str:
    """Run a verb with the words that follow it; how it ended. Raises what the verb does."""
    return _OUTCOMES[await _VERBS[verb].run(make_parser(verb).parse_args([verb, *words]))]


@contextmanager
def inside(world: World) -> Iterator[None]:
    """The verbs meet the world in place of this machine: its files, its screen, and the adapters."""

    def load_inventory(arguments: argparse.Namespace) -> Inventory:
        arguments.redaction = Redaction()
        return world.inventory

    @asynccontextmanager
    async def open_site(inventory: Inventory) -> AsyncIterator[OpenSite]:
        yield world.site()

    def note(event: Event) -> None:
        world.watch.note(str(event))

    fakes: dict[str, object] = {
        "load_inventory": load_inventory,
        "open_site": open_site,
        "unblocked_output": contextlib.nullcontext,
        "event_view": lambda *_: contextlib.nullcontext(lambda record: None),
        "event_printer": lambda *_: note,
        "teller": lambda *_: world.watch.note,
        "event_loop": SimpleNamespace(run=lambda main: main),
    }
    if world.several is None:
        fakes["held"] = lambda *_: contextlib.nullcontext(world.journal())
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(_replaced(console, "_LONGEST", world.line_length or console._LONGEST))
        if world.large:
            stack.enter_context(_replaced(looks, "_AT_LEAST", -1000))
            stack.enter_context(_replaced(all_states, "_FEW", 0))
        stack.enter_context(_replaced(site, "_REJOIN", _REJOIN))
        stack.enter_context(_replaced(strategy, "DEFAULT_BAKE", _BAKE))
        if world.several is not None:
            _meet(stack, world, world.several)
        for module in (session, node_verbs, *_VERBS.values()):
            for name, fake in fakes.items():
                if hasattr(module, name):
                    stack.enter_context(_replaced(module, name, fake))
        yield


def _meet(stack: contextlib.ExitStack, world: World, deployers: Deployers) -> None:
    """Deployers have the lock and the journal as those of real machines have."""

    class Told(SharedJournal):
        """A journal that tells the world what its process puts into it."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self._client = world.client

        async def begin(self, *arguments: Any) -> Sequence[Record]:
            self._client.require_alive()
            records = await super().begin(*arguments)
            self._client.events += len(records)
            for record in records:
                deployers.took(record)
            return records

        def append(self, *arguments: Any) -> Record:
            self._client.require_alive()
            record = super().append(*arguments)
            self._client.events += 1
            deployers.took(record)
            return record

    async def open_copy(*_: object, **__: object) -> SqliteJournal:
        return copy_of(deployers, world.client)

    async def nothing_earlier(*_: object) -> None:
        """The machines have no history from before."""

    fakes = {
        "SqliteJournal": SimpleNamespace(open=open_copy),
        "_begin_history": nothing_earlier,
        "SharedJournal": Told,
        "Hold": partial(Hold, clock=world_time),
        "holder": lambda purpose: deployers.holder(world.client, purpose),
        "has_ended": lambda holder: deployers.has_ended(world.client, holder),
    }
    for name, fake in fakes.items():
        stack.enter_context(_replaced(held, name, fake))


@contextmanager
def _replaced(module: ModuleType, name: str, fake: object) -> Iterator[None]:
    real = getattr(module, name)
    setattr(module, name, fake)
    try:
        yield
    finally:
        setattr(module, name, real)
