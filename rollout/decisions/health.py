"""What a health page's answer says. Pure: an answer in, a judgement out."""

from __future__ import annotations

import json
from typing import Any

from rollout.domain import Answer
from rollout.inventory.health import Health

DRAINING = 404
"""What a health page answers to leave the load balancer."""


def reported_release(answer: Answer, health: Health) -> str | None:
    """The release that the page says it runs; `None` if it does not say, or nobody said where to look."""
    where = health.release
    if where is None:
        return None
    if where.header is not None:
        return answer.headers.get(where.header.lower())
    try:
        # Numbers as they are written: release 1.10 is not 1.1.
        value: Any = json.loads(answer.body, parse_int=str, parse_float=str)
        for key in (where.json_key or "").split("."):
            value = value[key]
        return value if isinstance(value, str | None) else json.dumps(value)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def fault(answer: Answer, health: Health, release: str | None, *, draining: bool = False) -> str:
    """What is wrong with the answer; empty if it is right.

    `release` is the one that the page must report, `None` if any will do. While the page is made to answer
    404 (`draining`), that is right as well, and a release is judged only if it reports one.
    """
    drained = draining and answer.status == DRAINING
    if answer.status != health.status and not drained:
        return f"answered {answer.status}, not {health.status}"
    if health.body is not None and not drained and health.body not in answer.body:
        return f"its answer does not contain {health.body!r}"
    if release is None or health.release is None:
        return ""
    reported = reported_release(answer, health)
    if reported is None:
        return "" if drained else "it does not report a release"
    return "" if reported == release else f"it runs {reported}, not {release}"
