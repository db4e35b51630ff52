"""Checks of what the judge needs to compare the slowest answers. Nothing is touched."""

from __future__ import annotations

from rollout.decisions.finding import Finding, Level
from rollout.engine.site import Site
from rollout.engine.users.tails import unusable
from rollout.engine.waiting import run_all
from rollout.errors import LoadBalancerError
from rollout.inventory.judge import Judge
from rollout.ports import LoadBalancer

_ADD = (
    "to have p95 and p99 compared, add `ring requests` with `size 1048576`, and to the `defaults` "
    "`option httplog` and `log ring@requests local0`"
)


async def tails_findings(site: Site) -> list[Finding]:
    """Whether each load balancer shows the time of each answer; nothing where no release is judged."""
    strategy = site.inventory.strategy
    if not isinstance(strategy.judge, Judge) or strategy.bake_asked_for <= 0:
        return []
    findings = await run_all(_finding(balancer) for balancer in site.load_balancers.values())
    return [finding for finding in findings if finding is not None]


async def _finding(balancer: LoadBalancer) -> Finding | None:
    try:
        logged = await balancer.logged()
    except LoadBalancerError:
        return None  # the finding about its socket says so
    if logged is None:
        text = "the judge compares response times by their means alone: HAProxy logs requests to no ring"
        return Finding(Level.NOTE, balancer.name, text, _ADD)
    if problem := unusable(logged):
        return Finding(Level.NOTE, balancer.name, problem)
    if not logged.lines:
        text = f"ring {logged.ring} is empty; once requests are logged to it, p95 and p99 are compared"
        return Finding(Level.NOTE, balancer.name, text)
    return Finding(Level.OK, balancer.name, f"the judge compares p95 and p99, too, by ring {logged.ring}")
