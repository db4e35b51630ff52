"""Running a deployment to its end: signals, Enter on the terminal, and the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from rollout.cli.confirm import on_terminal
from rollout.cli.deploy_lock import RemoteControl
from rollout.cli.exit_codes import FAILED, INTERRUPTED
from rollout.cli.notify import Notifier
from rollout.cli.recorder import JournalRecorder
from rollout.cli.wiring import OpenSite
from rollout.decisions.plan import Plan
from rollout.domain import Outcome, Server, ServerBefore, Step
from rollout.engine.deployment import Deployment
from rollout.errors import LockLost
from rollout.events import Halted

_EXIT_CODES = {Outcome.DONE: 0, Outcome.FAILED: FAILED, Outcome.INTERRUPTED: INTERRUPTED}


async def run_deployment(
    site: OpenSite,
    plan: Plan,
    record: JournalRecorder,
    *,
    previous: Mapping[str, str],
    settled: Mapping[str, Collection[Step]],
    put_back: Mapping[str, Mapping[Server, ServerBefore]],
    allow_outage: bool,
    control: RemoteControl,
) -> int:
    """Roll the nodes of the plan; return the exit code. The first events of the deployment are recorded
    already."""
    deployment = Deployment(
        site,
        plan,
        record.progress.deployment,
        previous,
        record,
        allow_outage=allow_outage,
        settled=settled,
        put_back=put_back,
        masked=record.masked,
    )
    if (notify := site.inventory.notify) is not None:
        Notifier(notify, record, site.outbox)
    control.attach(deployment)
    record.on_failure = lambda error: deployment.halt(str(error))
    try:
        outcome = await _until_stopped(deployment, record, control)
    finally:
        record.on_failure = record.tell
        with suppress(LockLost):  # that has halted the deployment, which says so
            await record.written()
            if notify is not None:
                await site.outbox.aclose()  # a message that does not arrive is a warning in the journal
                await record.written()
    return FAILED if record.failed else _EXIT_CODES[outcome]


async def _until_stopped(deployment: Deployment, record: JournalRecorder, control: RemoteControl) -> Outcome:
    """Run the deployment. The first Ctrl-C, SIGTERM or SIGHUP lets the nodes in flight finish, the second
    ends them. Without a terminal, SIGTERM and SIGHUP come from what kills this process soon: they wind it up.

    Further ones change nothing: a node that is on its way to a safe end must get there. Nor do later ones
    end the process: the journal's last lines and the lock take seconds, and half of that would leave others
    in doubt. They halt the rollback that may follow.
    """
    loop = asyncio.get_running_loop()
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    killed_soon = () if on_terminal() else (signal.SIGTERM, signal.SIGHUP)
    asked: list[str] = []
    for which in stops:
        stopper = _stopper(deployment, record, asked, which.name, soon=which in killed_soon)
        loop.add_signal_handler(which, stopper)
    try:
        with _enter_promotes(deployment):
            return await asyncio.create_task(deployment.run())
    except asyncio.CancelledError:
        return Outcome.INTERRUPTED
    finally:
        control.detach()
        for which in stops:
            loop.add_signal_handler(which, control, which.name)


@contextmanager
def _enter_promotes(deployment: Deployment) -> Iterator[None]:
    """On a terminal, let Enter end the pause of a deployment."""
    if not on_terminal():
        yield
        return
    loop = asyncio.get_running_loop()

    def entered() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
        elif deployment.paused:
            deployment.promote("Enter")

    loop.add_reader(sys.stdin, entered)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)


def _stopper(
    deployment: Deployment, record: JournalRecorder, asked: list[str], name: str, *, soon: bool
) -> Callable[[], None]:
    def stop() -> None:
        asked.append(name)
        gently = f"{name}: the nodes in flight finish; once more ends them at once"
        if len(asked) > 1:
            deployment.interrupt(f"{name} again: bringing the nodes in flight to a safe end at once")
        elif soon:
            deployment.wind_up(f"{name}: the nodes that are not restarted yet return, the others finish")
        elif deployment.halted:
            record(Halted(gently))
        else:
            deployment.halt(gently)

    return stop
