"""`rollout deploy`, `resume` and `restore` themselves, each as a new process in a simulated world."""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any

from rollout.adapters.haproxy import balancer, console
from rollout.cli import session
from rollout.cli.redaction import Redaction
from rollout.cli.verbs import deploy, restore, resume
from rollout.domain import Outcome
from rollout.engine import site
from rollout.engine.site import Site
from rollout.events import Event
from rollout.inventory import Inventory, strategy
from tests.simulation.remembering import parse_remembering
from tests.simulation.world import World

_VERBS: dict[str, tuple[ModuleType, Callable[[argparse.Namespace], Coroutine[Any, Any, int]]]] = {
    "deploy": (deploy, deploy._deploy),
    "resume": (resume, resume._resume),
    "restore": (restore, restore._restore),
}
_OUTCOMES = {0: Outcome.DONE, 1: Outcome.FAILED, 130: Outcome.INTERRUPTED}
"""What an exit code means."""
_BAKE = 5.0
"""Seconds of the bake that no inventory asked for, wherever the simulation runs."""
_REJOIN = 4.0
"""Seconds in which HAProxy's checks must pass, where no health page says how long: not minutes here."""


async def run_verb(world: World, verb: str) -> str:
    """`deploy`, `resume` or `restore`; how it ended. Raises what the verb does."""
    module, main = _VERBS[verb]
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    release = world.drawn.rolled_to if verb == "deploy" else None
    with world.watch.by_hand() if verb == "restore" else contextlib.nullcontext():
        return _OUTCOMES[await main(parser.parse_args(["--release", release] if release else []))]


@contextmanager
def inside(world: World) -> Iterator[None]:
    """The verbs meet the world in place of this machine: its files, its screen, and the adapters."""

    def load_inventory(arguments: argparse.Namespace) -> Inventory:
        arguments.redaction = Redaction()
        return world.inventory

    @asynccontextmanager
    async def open_site(inventory: Inventory) -> AsyncIterator[Site]:
        yield world.site()

    def note(event: Event) -> None:
        world.watch.note(str(event))

    fakes: dict[str, object] = {
        "load_inventory": load_inventory,
        "open_site": open_site,
        "held": lambda *_: contextlib.nullcontext(world.journal()),
        "unblocked_output": contextlib.nullcontext,
        "event_view": lambda *_: contextlib.nullcontext(lambda record: None),
        "event_printer": lambda *_: note,
        "teller": lambda *_: world.watch.note,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(_replaced(balancer, "parse_reading", parse_remembering))
        stack.enter_context(_replaced(console, "_LONGEST", world.line_length or console._LONGEST))
        stack.enter_context(_replaced(site, "_REJOIN", _REJOIN))
        stack.enter_context(_replaced(strategy, "DEFAULT_BAKE", _BAKE))
        for module in (session, restore):
            for name, fake in fakes.items():
                if hasattr(module, name):
                    stack.enter_context(_replaced(module, name, fake))
        yield


@contextmanager
def _replaced(module: ModuleType, name: str, fake: object) -> Iterator[None]:
    real = getattr(module, name)
    setattr(module, name, fake)
    try:
        yield
    finally:
        setattr(module, name, real)
