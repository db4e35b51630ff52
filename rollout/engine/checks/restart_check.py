"""What it means that a restart could not be carried out as a node is now: a repair is not refused for it.

An application that does not run is no reason to refuse, unless it evidently does: then the inventory is
wrong. Nor is one that is not there before its first release, nor anything on a node that is known to be
broken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rollout.agents.common import talk
from rollout.decisions.finding import Finding, Level
from rollout.decisions.health import fault
from rollout.decisions.health_pages import PageSeen
from rollout.engine.site import Survey
from rollout.inventory.health import Health
from rollout.inventory.model import Inventory
from rollout.inventory.quantities import format_duration

FAILS = "check failed: the restart cannot be carried out"


@dataclass(frozen=True, slots=True)
class RestartFails(Finding):
    """The driver's own check failed on a node. Whether that is a problem is decided by `judged`."""

    status: int = 1
    """The exit status of the check, as `agents.common.talk` has them."""
    reason: str = ""
    start: str | None = None
    """The line that starts the application where it does not run."""
    part: str = ""
    """The restart's name where it is one of several."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a node whose restart could not be carried out."""

    runs: str
    """What shows that its application runs; empty if nothing does."""
    shown: bool
    """Whether anything would show that."""
    is_broken: bool
    """Whether a deployment left the node out, or it goes back to an earlier release."""
    gets_release: bool


def evidence(
    inventory: Inventory,
    seen: Survey | None,
    pages: Mapping[str, PageSeen],
    *,
    broken: Collection[str],
    gets_release: bool,
) -> Callable[[str], Evidence]:
    """The evidence about a node, by its name, from health pages and a survey of the load balancers."""

    def of(name: str) -> Evidence:
        states = [] if seen is None or name not in seen.placement else seen.states(name)
        checked = [state for state in states if state.checked or state.tracks]
        up = [state.server for state in checked if state.in_rotation]
        page = pages.get(name)
        if page is not None and _is_right(page, inventory.health):
            runs = f"{page.url} is right"
        else:
            runs = f"{up[0]} is UP" if up else ""
        return Evidence(
            runs,
            shown=bool(page or checked),
            is_broken=name in broken,
            gets_release=gets_release,
        )

    return of


def judged(
    findings: Iterable[Finding], inventory: Inventory, of: Callable[[str], Evidence]
) -> Iterator[Finding]:
    """The findings, each `RestartFails` as the problem or the warning that it is by the evidence."""
    for finding in findings:
        if not isinstance(finding, RestartFails):
            yield finding
        elif not finding.part:
            yield _judged(finding, inventory, of(finding.subject))
        else:
            # What runs or answers may be what another of the restarts is about.
            known = replace(of(finding.subject), runs="", shown=False)
            found = _judged(finding, inventory, known)
            yield replace(found, text=f"{finding.part}: {found.text}")


def _judged(found: RestartFails, inventory: Inventory, known: Evidence) -> Finding:
    if found.status == talk.NotRunning.exit_status:
        if known.runs and not known.is_broken:  # what a broken release leaves may answer for a while
            text = f"{FAILS}: {found.reason}, but {known.runs}: it runs otherwise than `restart:` says"
            return Finding(Level.PROBLEM, found.subject, text, "correct `restart:` in the inventory")
        if known.is_broken or known.shown or found.start:
            return Finding(Level.WARNING, found.subject, _what_happens(found, inventory, known))
        what, start = ("it", "`start` beside it") if found.part else (inventory.service, "restart.start")
        hint = f"start {what} on {found.subject}, or set {start}"
        return Finding(Level.PROBLEM, found.subject, f"{FAILS}: {found.reason}", hint)
    if found.status == talk.NotThere.exit_status and known.gets_release and not known.runs:
        return Finding(Level.WARNING, found.subject, f"{found.reason}: the release must bring it")
    if known.is_broken and known.gets_release:
        text = (
            f"the restart could not be carried out now: {found.reason}; it is tried once the release is there"
        )
        return Finding(Level.WARNING, found.subject, text)
    return Finding(Level.PROBLEM, found.subject, f"{FAILS}: {found.reason}")


def _what_happens(found: RestartFails, inventory: Inventory, known: Evidence) -> str:
    what = "what it restarts" if found.part else inventory.service
    stopped = f"{what} does not run there ({found.reason})"
    if found.start:
        return f"{stopped}: it is started by `{found.start}`"
    puts = "puts the release there and " if known.gets_release else ""
    waits = "waits for the load balancers' checks"
    if inventory.health is not None:
        waits = f"waits {format_duration(inventory.health.timeout)} for its health page"
    if found.part:
        waits = "waits until it runs"
    nobody = "and nothing here starts it"
    start = "`start` beside it" if found.part else "restart.start"
    return f"{stopped}, {nobody}: rollout {puts}{waits}; start it meanwhile, or set {start}"


def _is_right(page: PageSeen, health: Health | None) -> bool:
    return page.answer is not None and health is not None and not fault(page.answer, health, None)
