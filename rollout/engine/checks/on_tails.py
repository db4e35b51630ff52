"""Checks of what the judge needs to compare the slowest answers. Nothing is touched."""

from __future__ import annotations

from rollout.decisions.finding import Finding, Level
from rollout.engine.site import Site
from rollout.engine.users.tails import unreadable
from rollout.engine.waiting import run_all
from rollout.errors import LoadBalancerError, NoStream
from rollout.inventory.judge import Judge
from rollout.ports import LoadBalancer

_ADD = (
    "to have p95 and p99 compared, add `ring requests` with `size 1048576`, and to the `defaults` "
    "`option httplog` and `log ring@requests local0`"
)


async def tails_findings(site: Site) -> list[Finding]:
    """Whether each load balancer shows the time of each answer; nothing where no release is judged."""
    strategy = site.inventory.strategy
    if not isinstance(strategy.judge, Judge) or strategy.bake <= 0:
        return []
    findings = await run_all(_finding(balancer) for balancer in site.load_balancers.values())
    return [finding for finding in findings if finding is not None]


async def _finding(balancer: LoadBalancer) -> Finding | None:
    try:
        ring = await balancer.ring()
    except NoStream as error:
        message = str(error).removeprefix(f"{balancer.name}: ")
        return Finding(Level.NOTE, balancer.name, f"the judge compares mean response times alone: {message}")
    except LoadBalancerError:
        return None  # the finding about its socket says so
    if ring is None:
        text = "the judge compares mean response times alone: HAProxy logs requests to no ring"
        return Finding(Level.NOTE, balancer.name, text, _ADD)
    if ring.unreadable:
        return Finding(Level.NOTE, balancer.name, unreadable(ring.name), "use `option httplog`")
    return Finding(Level.OK, balancer.name, f"the judge compares p95 and p99, too, by ring {ring.name}")
