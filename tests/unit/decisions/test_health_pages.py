"""What the health pages of all nodes mean for a deployment that has yet to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rollout.decisions.finding import Level
from rollout.decisions.health_pages import PageSeen, page_findings, runs
from rollout.domain import AdminState, Answer, OperationalState
from tests.support.states import state

RIGHT = PageSeen("http://a/", Answer(200, ""), "1.0")
GONE = PageSeen("http://a/", Answer(404, ""), fault=" answered 404, not 200")
BROKEN = PageSeen("http://a/", Answer(500, ""), fault=" answered 500, not 200")
SILENT = PageSeen("http://a/", None, fault=": connection refused")


def levels(pages: Sequence[PageSeen], running: Sequence[int], *, allowed: bool = False) -> list[Level]:
    """The levels of the findings about web0, web1, … of which these are running."""
    named = {f"web{number}": page for number, page in enumerate(pages)}
    return [
        finding.level
        for finding in page_findings(named, [f"web{number}" for number in running], allowed=allowed)
    ]


@pytest.mark.parametrize(
    ("pages", "running", "expected"),
    [
        ([RIGHT, RIGHT], [0, 1], [Level.OK, Level.OK]),
        ([GONE, GONE], [0, 1], [Level.PROBLEM]),
        ([GONE, GONE], [], [Level.WARNING]),
        ([GONE, RIGHT], [0, 1], [Level.OK, Level.WARNING]),
        ([GONE, RIGHT], [0], [Level.OK, Level.WARNING]),
        ([GONE, SILENT], [0], [Level.PROBLEM, Level.WARNING]),
        ([GONE, SILENT], [1], [Level.WARNING, Level.PROBLEM]),
        ([GONE, BROKEN], [0, 1], [Level.WARNING, Level.WARNING]),
        ([GONE], [0], [Level.PROBLEM]),
        ([], [], []),
    ],
)
def test_when_a_deployment_is_refused(
    pages: list[PageSeen], running: list[int], expected: list[Level]
) -> None:
    """If no page is right and all nodes that run fail alike; never if that is allowed."""
    assert levels(pages, running) == expected
    allowed = [Level.WARNING if level is Level.PROBLEM else level for level in expected]
    assert levels(pages, running, allowed=True) == allowed


def test_nodes_that_fail_alike_are_named_together() -> None:
    """With what the page of the first one says, and the rest of very many as a number."""
    (finding,) = page_findings({f"web{number}": GONE for number in range(20)}, ())
    assert finding.subject == "web0"
    assert finding.text == (
        "http://a/ answered 404, not 200; likewise web1, web2, web3, web4, web5, web6, web7, web8 and 11 more"
    )


DOWN: dict[str, Any] = {"operational": OperationalState.STOPPED}
DRAINED: dict[str, Any] = {"admin": AdminState.FORCED_DRAIN}


@pytest.mark.parametrize(
    ("servers", "answers", "expected"),
    [
        (None, True, True),
        (None, False, False),
        ([], True, False),
        ([{}], False, True),
        ([{"checked": False}], False, False),
        ([{"checked": False}], True, True),
        ([{"checked": False, "tracks": "shop/web1"}], False, True),
        ([DOWN], True, False),
        ([DRAINED], True, False),
        ([{"weight": 0}], True, False),
        ([DOWN, {}], False, True),
    ],
)
def test_which_nodes_run(servers: list[dict[str, Any]] | None, *, answers: bool, expected: bool) -> None:
    """By HAProxy's check; where it checks nothing, or is not asked, by an answer of the page."""
    states = None if servers is None else [state(**server) for server in servers]
    assert runs(GONE if answers else SILENT, states) is expected
