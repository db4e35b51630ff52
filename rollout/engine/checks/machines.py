"""The machines on which commands for nodes run, compared with those to which HAProxy sends requests."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.decisions.contradictions import on_machines_of_others
from rollout.decisions.finding import Finding, Level
from rollout.engine.site import Site, Survey
from rollout.engine.waiting import run_many
from rollout.errors import RolloutError

ADDRESSES = "hostname -I 2>/dev/null || ip -o addr 2>/dev/null"
"""Prints the addresses of a machine, among other words."""
_LOOK = 30.0
"""Seconds."""


async def machine_findings(site: Site, nodes: Sequence[str], seen: Survey) -> list[Finding]:
    """Problems with nodes whose commands would run on another node's machine.

    A machine that does not say its addresses contradicts nothing, nor does one behind translated addresses.
    """
    by_ssh = [name for name in nodes if seen.placement[name] and site.inventory.ssh_target(name) is not None]
    shown = await run_many(_shown(site, name) for name in by_ssh)
    problems = on_machines_of_others(seen.by_node(), dict(zip(by_ssh, shown, strict=True)))
    hint = "correct the `host:` or the SSH settings of the node"
    return [Finding(Level.PROBLEM, name, text, hint) for name, text in problems.items()]


async def _shown(site: Site, name: str) -> str:
    try:
        looked = await site.context(name, None).look(ADDRESSES, timeout=_LOOK)
    except RolloutError:
        return ""  # another finding says so
    return " ".join(looked.tail)
