"""Checks on a node: SSH, and what the release, the restart and the drain need there. Nothing is touched."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollout.decisions.finding import Finding, Level
from rollout.domain import Completed
from rollout.engine.checks.restart_check import FAILS, RestartFails
from rollout.engine.context import NodeContext
from rollout.engine.site import Site
from rollout.engine.steps.release import look_at_place, to_be_sent
from rollout.errors import RolloutError
from rollout.inventory.quantities import format_bytes
from rollout.ports import Sources
from rollout.release import plan_release
from rollout.restart import plan_restarts

_LOOK = 30.0
"""Seconds for one look at a node."""


@dataclass(frozen=True, slots=True)
class _Requirement:
    """Something that must hold on a node, with a shell line that exits with 0 if it does."""

    holds: str
    fails: str
    line: str


async def node_findings(
    site: Site, name: str, release: str | None = None, *, back: bool = False
) -> list[Finding]:
    """Whether commands can be run on a node, and whether it has what a deployment of `release` needs.

    `back` says that the node goes back to `release`. The first error ends the checks of the node: then it is
    the only finding. Whether a `RestartFails` is a problem is not decided here.
    """
    context = site.context(name, release)
    try:
        findings = await _command_findings(context)
        findings += await _restart_findings(site.context(name, None))
        for requirement in _requirements(site, site.context(name, None)):
            findings += [await _requirement_finding(context, requirement)]
        findings += await _release_findings(context, site.sources, back=back)
    except RolloutError as error:
        return [Finding(Level.PROBLEM, name, str(error).removeprefix(f"{name}: "), error.hint)]
    return findings


async def _command_findings(context: NodeContext) -> list[Finding]:
    """Whether commands can be run, and what is left of earlier ones. Raises HostError.

    A login may run something else than what it is sent: so something is run. A deployment has done that by
    its claim.
    """
    claim = context.claim
    if claim.error is not None:
        raise claim.error
    left = [] if claim.made else await claim.look()
    findings = [Finding(Level.OK, context.name, "commands can be run")]
    for orphan in left:
        text = f"the {orphan} still runs: a deployment waits until it has ended"
        findings.append(Finding(Level.WARNING, context.name, text))
    if claim.unkept:
        text = f"no note of running commands can be kept: {claim.unkept}"
        hint = "if rollout is killed, look yourself whether its last command on this node has ended"
        findings.append(Finding(Level.WARNING, context.name, text, hint))
    return findings


async def _restart_findings(context: NodeContext) -> list[Finding]:
    """Whether the drivers' own checks find that the restarts can be carried out."""
    findings: list[Finding] = []
    for plan in plan_restarts(context.inventory, context.fill):
        if plan.precheck is None:
            continue
        completed = await context.look(plan.precheck, timeout=_LOOK)
        if completed.status == 0:
            # What a check says although it passes is good to know.
            can = f"{plan.part or 'the restart'} can be carried out"
            findings.append(Finding(Level.OK, context.name, can))
            findings += [Finding(Level.NOTE, context.name, line) for line in completed.tail]
            continue
        findings.append(
            RestartFails(
                Level.PROBLEM,
                context.name,
                f"{FAILS}: {_last_line(completed)}",
                status=completed.status,
                reason=_last_line(completed),
                start=plan.start,
                part=plan.part,
            )
        )
    return findings


def _requirements(site: Site, context: NodeContext) -> Iterator[_Requirement]:
    """The requirements of the drain on the node."""
    page = site.inventory.drain.health_page
    if page is None:
        return
    if page.file is not None:
        folder = shlex.quote(str(PurePosixPath(context.fill(page.file)).parent))
        # A folder that is missing will be made, so its parent must be writable.
        yield _Requirement(
            "the health page's file can be created",
            "check failed: the health page's file cannot be created",
            f'd={folder}; [ -e "$d" ] || d=$(dirname "$d"); test -w "$d"',
        )
    if page.port is not None and not site.load_balancers:
        yield _Requirement(
            "`ss` is available to count connections",
            "check failed: `ss` is not available to count connections",
            "command -v ss",
        )


async def _requirement_finding(context: NodeContext, requirement: _Requirement) -> Finding:
    completed = await context.look(requirement.line, timeout=_LOOK)
    if completed.status == 0:
        return Finding(Level.OK, context.name, requirement.holds)
    return Finding(Level.PROBLEM, context.name, f"{requirement.fails}: {_last_line(completed)}")


def _last_line(completed: Completed) -> str:
    return completed.tail[-1] if completed.tail else f"exit status {completed.status}"


async def _release_findings(context: NodeContext, sources: Sources, *, back: bool) -> list[Finding]:
    """Whether the release can be read here and has its place on the node. Raises RolloutError if not."""
    plan = plan_release(context.inventory, context.release, context.fill)
    if plan is None or plan.upload is None:
        return []
    if context.release is None:
        await look_at_place(context, plan.upload)
        return [Finding(Level.OK, context.name, "a release can be put there")]
    content = await to_be_sent(context, plan.upload, plan.timeout, sources, back=back)
    what = "is already there" if content is None else f"({format_bytes(content.size)}) will be sent"
    return [Finding(Level.OK, context.name, f"release {context.release} {what}")]
