"""What a deployment needs, each thing asked for itself; nothing is touched.

`rollout deploy` refuses where a requirement does not hold; `rollout check` tells all of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from rollout.decisions.capacity import WHAT_TO_DO, Backend, queues, shortages, with_trackers
from rollout.decisions.finding import Finding, Level
from rollout.decisions.health import fault, reported_release
from rollout.decisions.plan import out_of_rotation
from rollout.domain import Server, ServerState
from rollout.engine.context import NodeContext
from rollout.engine.health_page import ask
from rollout.engine.site import Site, Survey
from rollout.engine.steps.release import look_at_place, to_be_sent
from rollout.errors import LoadBalancerError, RequestFailed, RolloutError
from rollout.inventory.quantities import format_bytes
from rollout.ports import Sources
from rollout.release import plan_release
from rollout.restart import plan_restart

_LOOK = 30.0
"""Seconds for one look at a node."""


async def node_findings(
    site: Site, name: str, release: str | None = None, *, back: bool = False
) -> list[Finding]:
    """SSH, and what the release, the restart and the drain need on the node."""
    context = site.context(name, release)
    try:
        await context.host.connect()
        findings = [Finding(Level.OK, name, "commands can be run")]
        for needed, line in _needed_on_node(site, name):
            completed = await context.look(line, timeout=_LOOK)
            if completed.status == 0:
                findings.append(Finding(Level.OK, name, needed))
            else:
                said = completed.tail[-1] if completed.tail else f"exit status {completed.status}"
                findings.append(Finding(Level.PROBLEM, name, f"not true: {needed}: {said}"))
        findings += await _release_findings(context, site.sources, back=back)
    except RolloutError as error:
        return [_problem(name, error)]
    return findings


async def _release_findings(context: NodeContext, sources: Sources, *, back: bool) -> list[Finding]:
    """What is sent can be read here, and has its place on the node; else raises RolloutError."""
    chosen = plan_release(context.inventory, context.release, context.fill)
    if chosen is None or chosen.upload is None:
        return []
    if context.release is None:
        await look_at_place(context, chosen.upload)
        return [Finding(Level.OK, context.name, "a release may be put there")]
    content = await to_be_sent(context, chosen.upload, chosen.timeout, sources, back=back)
    there = "is there already" if content is None else f"({format_bytes(content.size)}) will be sent"
    return [Finding(Level.OK, context.name, f"release {context.release} {there}")]


def _needed_on_node(site: Site, name: str) -> Iterator[tuple[str, str]]:
    """What must hold, with a shell line that exits with 0 if it does."""
    precheck = plan_restart(site.inventory.restart, site.context(name, None).fill).precheck
    if precheck is not None:
        yield "the restart may be carried out", precheck
    page = site.inventory.drain.health_page
    if page is None:
        return
    if page.file is not None:
        folder = shlex.quote(str(PurePosixPath(site.context(name, None).fill(page.file)).parent))
        # Where the folder is missing it is made, so its parent must let us.
        yield (
            "the health page's file may be created",
            f'd={folder}; [ -e "$d" ] || d=$(dirname "$d"); test -w "$d"',
        )
    if page.port is not None and not site.load_balancers:
        yield "`ss` is there to count connections", "command -v ss"


async def balancer_findings(site: Site, name: str) -> list[Finding]:
    """The socket answers, and may do what is needed: read, or with the runtime way of draining, all."""
    try:
        level = await site.load_balancers[name].level()
    except LoadBalancerError as error:
        return [_problem(name, error)]
    if level != "admin" and site.inventory.drain.health_page is None:
        return [
            Finding(
                Level.PROBLEM,
                name,
                f"its runtime socket has level {level}, and only admin may drain",
                "name a `stats socket … level admin` in `haproxy:`",
            )
        ]
    return [Finding(Level.OK, name, f"the runtime socket answers, with level {level}")]


def server_findings(site: Site, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """What the load balancers show of the nodes' servers."""
    return [
        finding
        for name in nodes
        for found in (
            (each for state in seen.states(name) for each in _of_server(site, name, state, seen)),
            _taken_along(name, seen),
        )
        for finding in found
    ]


def _taken_along(name: str, seen: Survey) -> Iterator[Finding]:
    """Servers that are no node's, and leave and return with one of this node's."""
    own = seen.placement[name]
    others = {server for servers in seen.placement.values() for server in servers}
    for server in sorted(with_trackers(own, seen.states()) - others):
        yield Finding(
            Level.WARNING,
            name,
            f"{server} tracks a server of the node: it leaves and returns with it, and nobody waits for its "
            "sessions",
            "let the node be it, by its name, its address or `backends:`, if it is the same application",
        )


def _of_server(site: Site, name: str, state: ServerState, seen: Survey) -> Iterator[Finding]:
    own = {
        server.path for server in seen.placement[name] if server.load_balancer == state.server.load_balancer
    }
    if state.agent_checked and site.inventory.drain.health_page is None:
        yield Finding(
            Level.PROBLEM,
            name,
            f"{state.server} has an agent check, which can undo a drain at any moment",
            f"first send {state.server.load_balancer} the command `disable agent {state.server.path}`",
        )
    if site.inventory.warmup is not None and state.weight == 1:
        yield Finding(
            Level.WARNING,
            name,
            f"{state.server} has weight 1: there is none below it to warm it up by",
            "write `weight 100` on all `server` lines of its backend",
        )
    if not state.checked and state.tracks not in own:
        tracks = f"; it tracks {state.tracks}, which is not the node" if state.tracks else ""
        if site.inventory.health is None:
            yield Finding(
                Level.PROBLEM,
                name,
                f"nothing can prove that {state.server} is healthy: the inventory has no `health:`, "
                f"and HAProxy does not check the server{tracks}",
            )
        else:
            yield Finding(Level.WARNING, name, f"{state.server} is not checked by HAProxy{tracks}")


def outage_findings(site: Site, nodes: Sequence[str], window: int, seen: Survey) -> list[Finding]:
    """Nodes, in the order in which they are rolled, without which too few would serve; each backend once.

    Those that were rolled before are back by then, even if they are out now.
    """
    if not site.inventory.behind_load_balancers:
        return []
    if not site.load_balancers and len(site.inventory.nodes) <= window:
        hint = "--allow-outage deploys all the same"
        return [Finding(Level.PROBLEM, "strategy.window", "no node would be left to serve", hint)]
    found: dict[Backend, Finding] = {}
    back: set[Server] = set()
    for name in nodes:
        own = seen.placement[name]
        short = shortages(seen.states(), own, site.inventory.strategy.min_ready, back=back)
        for backend, problem in short.items():
            found.setdefault(backend, Finding(Level.PROBLEM, name, problem, WHAT_TO_DO))
        back.update(own)
    busy = [text for reading in seen.readings for text in queues(reading, back).values()]
    hint = "no node leaves until the queue is empty"
    return [*found.values(), *(Finding(Level.WARNING, "capacity", text, hint) for text in busy)]


async def health_finding(site: Site, name: str) -> Finding:
    """What the node's health page answers now."""
    health = site.inventory.health
    if health is None:
        proof = "HAProxy's check alone proves it" if site.load_balancers else "nothing proves that it works"
        return Finding(Level.WARNING, name, f"the inventory has no `health:`; {proof}")
    context = site.context(name, None)
    url = context.fill(health.http)
    try:
        answer = await ask(context, health)
    except RequestFailed as error:
        return Finding(Level.WARNING, name, f"{url}: {error}")
    if wrong := fault(answer, health, None):
        return Finding(Level.WARNING, name, f"{url} {wrong}")
    release = reported_release(answer, health)
    if health.release is not None and release is None:
        return Finding(
            Level.WARNING,
            name,
            f"{url} does not report a release: after a deploy it would not be taken as healthy",
        )
    return Finding(
        Level.OK, name, f"{url} answers {answer.status}" + (f", release {release}" if release else "")
    )


def rotation_finding(name: str, seen: Survey) -> Finding:
    """Which servers the node is, and whether they take traffic."""
    states = seen.states(name)
    servers = ", ".join(str(state.server) for state in states)
    if reason := out_of_rotation(states):
        return Finding(
            Level.WARNING,
            name,
            f"{reason}: deploy would skip the node",
            f"rollout ready {name}; --include-out-of-rotation deploys it, and leaves it as it is",
        )
    down = [str(state.server) for state in states if not state.in_rotation]
    if down:
        return Finding(Level.WARNING, name, f"down: {', '.join(down)}")
    return Finding(Level.OK, name, f"is {servers}")


def _problem(subject: str, error: RolloutError) -> Finding:
    return Finding(Level.PROBLEM, subject, str(error).removeprefix(f"{subject}: "), error.hint)
