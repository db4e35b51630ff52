"""Everything that must hold before the first node is touched, asked at once and told together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rollout.engine.site import Site, Survey, survey
from rollout.engine.verify import ask
from rollout.engine.waiting import together
from rollout.errors import LoadBalancerError, ProbeFailed, Refused, RolloutError
from rollout.health import reported_release
from rollout.plan import Plan, capacity, last_of_backend, out_of_rotation, require_found


async def make_plan(
    site: Site, nodes: Sequence[str], release: str | None, *, ours: Collection[str]
) -> tuple[Plan, Survey]:
    """Look at the load balancers and decide what to do.

    `ours` are nodes that an earlier deployment left out: that they are out is nobody else's decision.
    Raises LoadBalancerError, Refused.
    """
    seen = await survey(site)
    if site.load_balancers:
        require_found(site.inventory, nodes, seen.placement)
    skipped = {}
    for name in nodes:
        reason = out_of_rotation(seen.states(name))
        if reason and name not in ours:
            skipped[name] = reason
    rolled = tuple(name for name in nodes if name not in skipped)
    strategy = site.inventory.strategy
    window = min(strategy.window.of(len(site.inventory.nodes)), max(1, len(rolled)))
    return Plan(
        service=site.inventory.service,
        release=release,
        nodes=rolled,
        skipped=skipped,
        canary=strategy.canary,
        window=window,
        placement=seen.placement,
        capacity=capacity(seen.readings, rolled, seen.placement, window),
        warnings=tuple(_warnings(site, rolled, seen)),
    ), seen


async def require_safe(site: Site, plan: Plan, seen: Survey, *, allow_outage: bool) -> None:
    """Raises Refused, with everything that stands in the way."""
    if not plan.nodes:
        raise Refused(
            "there is no node to deploy: " + "; ".join(plan.skipped.values()),
            hint="`rollout ready NODE` puts a node back that is drained or in maintenance",
        )
    problems: list[RolloutError | str] = []
    problems += await together(_connects(site, name) for name in plan.nodes)
    if site.inventory.drain.health_page is None:
        problems += await together(_is_admin(site, name) for name in site.load_balancers)
    problems += _unsafe_servers(site, plan, seen)
    if not allow_outage:
        problems += _outages(site, plan, seen)
    found = [problem for problem in problems if problem]
    if found:
        raise Refused(
            "\n".join(str(problem) for problem in found),
            hint="\n".join(dict.fromkeys(p.hint for p in found if isinstance(p, RolloutError) and p.hint))
            or None,
        )


async def previous_releases(site: Site, nodes: Sequence[str]) -> Mapping[str, str]:
    """The release that each node's health page reports; a node that does not tell is missing."""
    health = site.inventory.health
    if health is None or health.release is None:
        return {}

    async def one(name: str) -> str | None:
        try:
            return reported_release(await ask(site.context(name, None), health), health)
        except ProbeFailed:
            return None

    found = await together(one(name) for name in nodes)
    return {name: release for name, release in zip(nodes, found, strict=True) if release}


async def _connects(site: Site, node: str) -> RolloutError | str:
    try:
        await site.hosts[node].connect()
    except RolloutError as error:
        return error
    return ""


async def _is_admin(site: Site, name: str) -> RolloutError | str:
    try:
        level = await site.load_balancers[name].level()
    except LoadBalancerError as error:
        return error
    if level != "admin":
        return LoadBalancerError(
            name,
            f"its runtime socket has level {level}, and only admin may drain",
            hint="name a `stats socket … level admin` in `haproxy:`",
        )
    return ""


def _unsafe_servers(site: Site, plan: Plan, seen: Survey) -> list[str]:
    problems = []
    for state in (state for name in plan.nodes for state in seen.states(name)):
        if state.agent_checked and site.inventory.drain.health_page is None:
            problems.append(
                f"{state.server} has an agent check, which can undo a drain at any moment: "
                f"`disable agent {state.server.path}` on its runtime socket first"
            )
        if site.inventory.health is None and not state.checked and not state.tracks:
            problems.append(
                f"nothing can prove that {state.server} is healthy: the inventory has no `health:` "
                "and HAProxy does not check the server"
            )
    return problems


def _outages(site: Site, plan: Plan, seen: Survey) -> list[str]:
    if not site.load_balancers and len(site.inventory.nodes) <= plan.window:
        return ["no node would be left to serve (--allow-outage deploys all the same)"]
    problems = (last_of_backend(seen.states(), plan.placement[name]) for name in plan.nodes)
    return [f"{problem} (--allow-outage deploys all the same)" for problem in problems if problem]


def _warnings(site: Site, nodes: Sequence[str], seen: Survey) -> list[str]:
    """What is no reason to refuse, but should be known."""
    warnings = []
    for name in nodes:
        there = {server.load_balancer for server in seen.placement[name]}
        away = [balancer for balancer in site.load_balancers if balancer not in there]
        if there and away:
            warnings.append(f"{name} is no server on {', '.join(away)}")
    if site.inventory.strategy.on_failure == "rollback":
        warnings.append("strategy.on_failure: rollback is not there yet; a failure halts the deployment")
    return warnings
