"""Everything that must hold before the first node is touched, asked at once and told together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout.decisions.capacity import capacity
from rollout.decisions.finding import refusals
from rollout.decisions.health import reported_release
from rollout.decisions.order import Order, waves
from rollout.decisions.plan import Plan, out_of_rotation, require_found
from rollout.decisions.progress import NodeProgress
from rollout.decisions.warmup import found
from rollout.domain import ServerBefore, ServerState
from rollout.engine.checks.findings import (
    balancer_findings,
    node_findings,
    outage_findings,
    server_findings,
)
from rollout.engine.health_page import ask
from rollout.engine.site import Site, Survey, survey
from rollout.engine.steps.release import release_plan
from rollout.engine.waiting import both, together
from rollout.errors import Refused, RequestFailed


async def make_plan(
    site: Site,
    nodes: Sequence[str],
    release: str | None,
    *,
    ours: Mapping[str, NodeProgress],
    include_out_of_rotation: bool = False,
    done: int = 0,
    in_waves: bool = True,
) -> tuple[Plan, Survey]:
    """Look at the load balancers and decide what to do.

    `ours` are nodes that an earlier deployment left out, as it found them: that they are out is nobody else's
    decision, and they are brought back. Nodes that somebody else took out are skipped, unless they are
    included; then they are left as they are found. `done` nodes of the deployment are not among `nodes` any
    more. Raises LoadBalancerError, Refused.
    """
    by_page = site.inventory.drain.health_page is not None
    state_files = () if by_page else site.state_files.values()
    seen, unwritable = await both(survey(site), together(file.look() for file in state_files))
    if site.load_balancers:
        require_found(site.inventory, nodes, seen.placement)
    skipped = {}
    for name in nodes:
        reason = out_of_rotation(seen.states(name))
        if reason and name not in ours and not include_out_of_rotation:
            skipped[name] = reason
    rolled = [name for name in nodes if name not in skipped]
    # What is out already costs nobody anything, and brings capacity for the others back.
    rolled.sort(key=lambda name: name not in ours)
    taken_up = {name: ours[name] for name in rolled if name in ours and not _all_in_rotation(seen, name)}
    strategy = site.inventory.strategy
    window = min(strategy.window.of(len(site.inventory.nodes)), max(1, len(rolled)))
    sizes = waves(strategy, done + len(rolled), done=done) if in_waves else (len(rolled),)
    tried = in_waves and not done and strategy.canary is not None
    return Plan(
        service=site.inventory.service,
        release=release,
        nodes=Order.of(site.inventory).arranged(rolled, waves=sizes, window=window),
        skipped=skipped,
        waves=sizes,
        canary=sizes[0] if tried and sizes else 0,
        window=window,
        placement=seen.placement,
        capacity=capacity(seen.readings, rolled, seen.placement, window, strategy.min_ready),
        warnings=(*_warnings(site, rolled, seen), *filter(None, unwritable)),
        before={
            state.server: _before(site, state, ours.get(name), taken_up=name in taken_up)
            for name in rolled
            for state in seen.states(name)
        },
        taken_up=frozenset(taken_up),
    ), seen


async def require_safe(site: Site, plan: Plan, seen: Survey, *, allow_outage: bool) -> None:
    """Raises Refused, with everything that stands in the way, or UsageError for a release of no use."""
    if not plan.nodes:
        raise Refused(
            "there is no node to deploy: " + "; ".join(plan.skipped.values()),
            hint="`rollout ready NODE` puts a node back that is drained or in maintenance, and "
            "--include-out-of-rotation deploys it and leaves it as it is",
        )
    for name in plan.nodes:
        release_plan(site.context(name, plan.release_of(name)))
    findings = await both(
        together(node_findings(site, name, plan.release_of(name), back=plan.back) for name in plan.nodes),
        together(balancer_findings(site, name) for name in site.load_balancers),
    )
    problems = [problem for group in findings for found in group for problem in refusals(found)]
    problems += refusals(server_findings(site, plan.nodes, seen))
    if not allow_outage:
        problems += outage_findings(site, plan.nodes, plan.window, seen)
    if problems:
        raise Refused(
            "\n".join(f"{problem.subject}: {problem.text}" for problem in problems),
            hint="\n".join(dict.fromkeys(problem.hint for problem in problems if problem.hint)) or None,
        )


async def previous_releases(site: Site, nodes: Sequence[str]) -> Mapping[str, str]:
    """The release that each node's health page reports; a node that does not tell is missing."""
    health = site.inventory.health
    if health is None or health.release is None:
        return {}

    async def one(name: str) -> str | None:
        try:
            return reported_release(await ask(site.context(name, None), health), health)
        except RequestFailed:
            return None

    told = await together(one(name) for name in nodes)
    return {name: release for name, release in zip(nodes, told, strict=True) if release}


def _before(site: Site, state: ServerState, noted: NodeProgress | None, *, taken_up: bool) -> ServerBefore:
    """How to leave a server: as an earlier try noted it, if its doing is what is shown."""
    known = None if noted is None else noted.server_before(state.server)
    if known is not None and (taken_up or known.is_warming(state)):
        return known
    return found(state, site.inventory.warmup)


def _all_in_rotation(seen: Survey, name: str) -> bool:
    """Somebody put it back, and it serves."""
    states = seen.states(name)
    return bool(states) and all(state.in_rotation for state in states)


def _warnings(site: Site, nodes: Sequence[str], seen: Survey) -> list[str]:
    """What is no reason to refuse, but should be known."""
    warnings = []
    for name in nodes:
        there = {server.load_balancer for server in seen.placement[name]}
        away = [balancer for balancer in site.load_balancers if balancer not in there]
        if there and away:
            warnings.append(f"{name} is no server on {', '.join(away)}")
    return warnings
