"""The preflight of a deployment: its plan, and everything that must hold before the first node is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from rollout.decisions.capacity import capacity
from rollout.decisions.contradictions import left_serving
from rollout.decisions.doubts import doubts
from rollout.decisions.durations import Durations
from rollout.decisions.finding import Finding, Level, refusals, warnings
from rollout.decisions.order import Order, waves
from rollout.decisions.placement import require_found
from rollout.decisions.plan import Plan, out_of_rotation
from rollout.decisions.progress import NodeProgress
from rollout.decisions.warmup import server_before
from rollout.domain import Server, ServerBefore, ServerState, Standing
from rollout.engine.checks.health_pages import Pages, judge_pages, look_at_pages
from rollout.engine.checks.machines import machine_findings
from rollout.engine.checks.on_configuration import client_findings
from rollout.engine.checks.on_load_balancer import outage_findings, server_findings, socket_finding
from rollout.engine.checks.on_node import node_findings
from rollout.engine.checks.restart_check import evidence, judged
from rollout.engine.checks.standing_now import standing_notes, standings_now
from rollout.engine.site import Site, Survey, survey
from rollout.engine.steps.release import release_plan
from rollout.engine.waiting import run_all, run_both, run_many
from rollout.errors import Refused

_HOW_TO_INCLUDE = (
    "put a node that is drained or in maintenance back with `rollout ready NODE`, or deploy it as it is with "
    "--include-out-of-rotation"
)


async def make_plan(
    site: Site,
    nodes: Sequence[str],
    release: str | None,
    *,
    ours: Mapping[str, NodeProgress],
    include_out_of_rotation: bool = False,
    allow_outage: bool = False,
    done: int = 0,
    in_waves: bool = True,
    durations: Durations | None = None,
) -> tuple[Plan, Survey]:
    """Read the load balancers, and decide which nodes are rolled, and how. Returns the plan and the survey.

    `ours` are nodes that an earlier deployment left out, or that fell once it had put them back, with what it
    noted of them: they are brought back.
    Nodes that somebody else took out are skipped, unless they are included; then they stay as they were
    found. `done` is how many nodes of the deployment were finished before and are not among `nodes`. With
    `durations`, those that took longest come first, after the canary. Raises LoadBalancerError, Refused.
    """
    by_page = site.inventory.drain.health_page is not None
    state_files = () if by_page else site.state_files.values()
    seen, unwritable = await run_both(survey(site), run_all(file.look() for file in state_files))
    if site.load_balancers:
        require_found(site.inventory, nodes, seen.placement)
    ours = {name: noted for name, noted in ours.items() if not _taken_since(seen, noted)}
    skipped = {} if include_out_of_rotation else _kept_out(nodes, seen, ours)
    rolled = [name for name in nodes if name not in skipped]
    standing = await standings_now(site, rolled, seen)
    leaders = {name for name in rolled for s in seen.placement[name] if standing.get(s) is Standing.ALONE}
    # Nodes that are out cost no capacity, and bring some back: they go first. One that leads goes last.
    rolled.sort(key=lambda name: (name not in ours, name in leaders))
    taken_up = {name for name in rolled if name in ours and not _was_put_back(seen, ours[name])}
    strategy = site.inventory.strategy
    window = min(strategy.window.of(len(site.inventory.nodes)), max(1, len(rolled)))
    sizes = waves(strategy, done + len(rolled), done=done) if in_waves else (len(rolled),)
    has_canary = in_waves and not done and strategy.canary is not None
    canary = sizes[0] if has_canary and sizes else 0
    why = []
    if durations is not None:
        others = durations.longest_first(rolled[canary:])
        others.sort(key=lambda name: (name not in ours, name in leaders))
        rolled[canary:] = others
        why = [durations.reason(others)]
    return Plan(
        service=site.inventory.service,
        release=release,
        nodes=Order.of(site.inventory).arranged(rolled, waves=sizes, window=window),
        skipped=skipped,
        waves=sizes,
        canary=canary,
        window=window,
        placement=seen.placement,
        capacity=capacity(
            seen.readings, rolled, seen.placement, window, strategy.min_ready, allow_outage=allow_outage
        ),
        notes=tuple(chain(why, *(standing_notes(name, seen.placement[name], standing) for name in rolled))),
        warnings=(*doubts(site.inventory), *_warnings(site, rolled, seen), *filter(None, unwritable)),
        before={
            state.server: _before(site, state, ours.get(name), standing, taken_up=name in taken_up)
            for name in rolled
            for state in seen.states(name)
        },
        addresses=seen.addresses,
        taken_up=frozenset(taken_up),
    ), seen


async def require_safe(
    site: Site,
    plan: Plan,
    seen: Survey,
    *,
    allow_outage: bool,
    allow_unhealthy: bool = False,
    pages: Pages | None = None,
) -> Plan:
    """Check everything that a deployment needs. Returns the plan, with what people should know beforehand.

    Raises Refused with all problems together, or UsageError for a release whose name cannot be used.
    """
    findings = await preflight(
        site, plan, seen, allow_outage=allow_outage, allow_unhealthy=allow_unhealthy, pages=pages
    )
    if problems := refusals(findings):
        raise refusal(problems)
    return dataclasses.replace(plan, warnings=(*plan.warnings, *map(str, warnings(findings))))


async def preflight(
    site: Site,
    plan: Plan,
    seen: Survey,
    *,
    allow_outage: bool,
    allow_unhealthy: bool,
    pages: Pages | None = None,
) -> list[Finding]:
    """The problems for which a deployment is refused, and warnings, from checks that all run at once.

    `pages` are the health pages, if they have been looked at. Raises UsageError for a release whose name
    cannot be used.
    """
    if not plan.nodes:
        nobody = f"there is no node to deploy: {'; '.join(plan.skipped.values())}"
        return [Finding(Level.PROBLEM, "", nobody, _HOW_TO_INCLUDE)]
    for name in plan.nodes:
        release_plan(site.context(name, plan.release_of(name)))
    ((on_nodes, machines), of_clients), (sockets, (pages, on_pages)) = await run_both(
        run_both(
            run_both(
                run_many(
                    node_findings(site, name, plan.release_of(name), back=plan.back) for name in plan.nodes
                ),
                machine_findings(site, plan.nodes, seen),
            ),
            client_findings(site, plan.nodes, seen),
        ),
        run_both(
            run_all(socket_finding(site, name) for name in site.load_balancers),
            _page_findings(site, plan, seen, pages, allowed=allow_unhealthy),
        ),
    )
    known = evidence(
        site.inventory,
        seen,
        pages,
        broken=frozenset(plan.nodes) if plan.back else plan.taken_up,
        gets_release=plan.release is not None,
    )
    of_nodes = list(judged(chain(*on_nodes), site.inventory, known))
    problems = refusals([*of_nodes, *machines, *sockets, *server_findings(site, plan.nodes, seen)])
    if not allow_outage:
        standing = {server: before.standing for server, before in plan.before.items()}
        problems += refusals(outage_findings(site, plan.nodes, plan.window, seen, standing))
    return [
        *problems,
        *refusals([*of_clients, *on_pages]),
        *warnings([*of_nodes, *of_clients, *on_pages]),
    ]


async def _page_findings(
    site: Site, plan: Plan, seen: Survey, pages: Pages | None, *, allowed: bool
) -> tuple[Pages, list[Finding]]:
    """The health pages, and the findings about them."""
    releasing = plan.release is not None
    if pages is None:
        pages = await look_at_pages(site, plan.nodes, releasing=releasing, release=plan.release)
    rolled = frozenset(plan.nodes)
    planned = {name: page for name, page in pages.items() if name in rolled}
    findings = await judge_pages(
        site, planned, seen, releasing=releasing, in_doubt=plan.taken_up, allowed=allowed
    )
    return planned, findings


def refusal(problems: Sequence[Finding]) -> Refused:
    """The error with which a deployment is refused, with all problems and what to do about each."""
    return Refused(
        "\n".join(str(problem) for problem in problems),
        hint="\n".join(dict.fromkeys(problem.hint for problem in problems if problem.hint)) or None,
    )


def _kept_out(nodes: Sequence[str], seen: Survey, ours: Collection[str]) -> dict[str, str]:
    """The nodes that somebody else keeps out of rotation, with the reason."""
    reasons = {name: out_of_rotation(seen.states(name)) for name in nodes if name not in ours}
    return {name: reason for name, reason in reasons.items() if reason}


def _before(
    site: Site,
    state: ServerState,
    noted: NodeProgress | None,
    standing: Mapping[Server, Standing],
    *,
    taken_up: bool,
) -> ServerBefore:
    """How to leave a server: as an earlier try noted it, if the server still is as that try left it; else as
    it is now."""
    known = None if noted is None else noted.server_before(state.server)
    if known is not None and (taken_up or known.is_warming(state)):
        return known
    return server_before(state, site.inventory.warmup, standing[state.server])


def _taken_since(seen: Survey, noted: NodeProgress) -> bool:
    """Whether somebody took a node out that had fallen: rollout had not."""
    return noted.left_out is False and bool(out_of_rotation(seen.states(noted.name)))


def _was_put_back(seen: Survey, noted: NodeProgress) -> bool:
    """Whether somebody put back a node that was left out: all its servers are in rotation, but for those that
    were down before."""
    states = seen.states(noted.name)
    return bool(states) and all(state.in_rotation or _is_down_as_before(state, noted) for state in states)


def _is_down_as_before(state: ServerState, noted: NodeProgress) -> bool:
    before = noted.server_before(state.server)
    return before is not None and before.standing is Standing.DOWN and not state.admin.is_out


def _warnings(site: Site, nodes: Sequence[str], seen: Survey) -> list[str]:
    """Warnings: things that people should know, but that are no reason to refuse."""
    warnings = left_serving(seen.readings, seen.by_node())
    for name in nodes:
        present = {server.load_balancer for server in seen.placement[name]}
        away = [balancer for balancer in site.load_balancers if balancer not in present]
        if present and away:
            warnings.append(f"{name} is not a server on {', '.join(away)}")
    return warnings
