"""Answers of a health page, judged. Values in, values out."""

from __future__ import annotations

import json
from typing import Any

from rollout.domain import Answer
from rollout.inventory.health import Health

DRAINING = 404
"""HTTP status by which a health page makes a load balancer send no new requests."""


def reported_release(answer: Answer, health: Health) -> str | None:
    """The release that the page reports; `None` if it reports none, or `health` names no place for it."""
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
    """The fault of an answer, as words to put after the page's name; empty if the answer is right.

    `release` is the one that the page must report; with `None` any will do. While the page is made to answer
    404 (`draining`), a 404 is right as well, and needs to report no release.
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
