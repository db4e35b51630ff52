"""The common part of `drain`, `ready` and `restore`: one node after the other, each step shown as it goes."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Awaitable, Callable

from rollout.cli.arguments import limit, load_inventory
from rollout.cli.deploy_lock import RemoteControl
from rollout.cli.exit_codes import FAILED
from rollout.cli.held import held
from rollout.cli.output import unblocked_output
from rollout.cli.tell_error import teller
from rollout.cli.wiring import open_site
from rollout.decisions.placement import require_found
from rollout.decisions.plan import select
from rollout.engine.claim import Claim, Say
from rollout.engine.log import Recorder
from rollout.engine.site import Site, Survey, survey
from rollout.errors import RolloutError, UsageError
from rollout.events import Event, Record
from rollout.ports import Journal
from rollout.views.jsonlines import JsonView
from rollout.views.plain import PlainView

OneNode = Callable[[Site, Journal, str, Survey, Recorder], Awaitable[None]]
"""Does one node, as a fresh survey shows it. Raises RolloutError once its failure is recorded."""
Claiming = Callable[[Claim, Say], Awaitable[None]]
"""Claims a node before it is done, and deals with what earlier runs left there. Raises HostError."""


async def for_each_node(arguments: argparse.Namespace, purpose: str, claiming: Claiming, do: OneNode) -> int:
    """Do each node that is named, in the inventory's order, up to the first that fails; return the exit code.

    The service's lock is held meanwhile, and `purpose` is shown to others who ask about it: a deployment
    must not restart a node that somebody puts back by hand. Somebody who asks to halt, or breaks the lock,
    is heeded before the next node. Raises Refused, HostError, LoadBalancerError, UsageError.
    """
    inventory = load_inventory(arguments)
    named = [*arguments.nodes, *limit(arguments)]
    if not named:
        raise UsageError(f"no node given: name one or more of {', '.join(inventory.nodes)}")
    nodes = select(inventory, named)
    control = RemoteControl()
    purpose = f"{purpose} {' '.join(nodes)}"
    with unblocked_output():
        async with (
            open_site(inventory) as site,
            held(site, arguments.redaction, purpose, arguments.wait, control) as journal,
        ):
            record = event_printer(arguments)
            seen = await survey(site)
            if site.load_balancers:
                require_found(inventory, nodes, seen.placement)
            for name in nodes:
                control.require_wanted()
                await claiming(site.claims[name], teller(arguments.redaction))
                seen = await survey(site)
                try:
                    await do(site, journal, name, seen, record)
                except RolloutError:
                    # The failure of its step has been shown already.
                    return FAILED
    return 0


def event_printer(arguments: argparse.Namespace) -> Recorder:
    """A recorder that shows events which belong to no deployment, and keeps none."""
    view = (
        JsonView(sys.stdout) if arguments.output == "json" else PlainView(sys.stdout, amount=arguments.amount)
    )
    count = itertools.count(1)

    def record(event: Event) -> None:
        view.show(Record(0, next(count), time.time(), arguments.redaction.event(event)))

    return record
