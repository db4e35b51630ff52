"""The health pages of nodes before a deployment: whether they could prove a node. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollout.decisions.finding import Finding, Level
from rollout.domain import Answer, ServerState

_NAMED = 8
"""How many nodes are named at most where more of them fail alike."""
_HINT = (
    "correct `health:` in the inventory, or repair the page; --allow-unhealthy deploys all the same, as "
    "where the new release brings the page"
)


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A node's health page before anything is touched."""

    url: str
    answer: Answer | None
    """`None` if there was none."""
    release: str | None = None
    """The release that it reports; `None` if it reports none."""
    fault: str = ""
    """Why it does not prove the node healthy, as words to put after `url`; empty if it does."""

    def __str__(self) -> str:
        if self.fault or self.answer is None:
            return f"{self.url}{self.fault}"
        reported = f", release {self.release}" if self.release else ""
        return f"{self.url} answers {self.answer.status}{reported}"


def runs(page: PageSeen, states: Sequence[ServerState] | None) -> bool:
    """Whether a node certainly runs its application. One that is out of rotation or DOWN may not.

    `states` are those of its servers; `None` where no load balancer is listed. Where nothing checks a node,
    it runs if its page answers.
    """
    if states is None:
        return page.answer is not None
    return any(s.in_rotation and bool(s.checked or s.tracks or page.answer) for s in states)


def page_findings(
    pages: Mapping[str, PageSeen], running: Collection[str], *, allowed: bool = False
) -> Iterator[Finding]:
    """A finding for each page that is right, and one for all nodes whose pages fail alike.

    It is a problem if no page is right and those of all nodes that are `running` fail alike: then it is the
    page that is wrong, and no node could be proved after its restart. `allowed` makes it a warning.
    """
    alike: dict[str, list[str]] = {}
    for name, page in pages.items():
        if page.fault:
            alike.setdefault(page.fault, []).append(name)
        else:
            yield Finding(Level.OK, name, str(page))
    right = any(not page.fault for page in pages.values())
    for names in alike.values():
        text = f"{pages[names[0]]}{_likewise(names[1:])}"
        if running and not right and not allowed and set(running) <= set(names):
            unproved = "no node that runs has a page that is right, so none could be proved after its restart"
            yield Finding(Level.PROBLEM, names[0], f"{text}: {unproved}", _HINT)
        else:
            yield Finding(Level.WARNING, names[0], text)


def _likewise(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"; likewise {', '.join(names[:_NAMED])}{more}" if names else ""
