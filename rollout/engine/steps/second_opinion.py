"""Second opinions on a release that has baked: a Prometheus query and a command of the inventory."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from rollout.engine.context import NodeContext
from rollout.engine.log import StepLog
from rollout.errors import JudgedBad, RequestFailed, StepFailure
from rollout.inventory.judge import Judge, Prometheus

_ANSWER = 10.0
"""Seconds for Prometheus to answer."""
_COMMAND = 300.0
"""Seconds for the command to end."""


async def second_opinions(context: NodeContext, settings: Judge, log: StepLog) -> None:
    """Ask for each opinion that `settings` names. Raises JudgedBad, or StepFailure without an answer."""
    if settings.prometheus is not None:
        await _prometheus(context, settings.prometheus, log)
    if settings.command is not None:
        await _command(context, settings.command, log)


async def _prometheus(context: NodeContext, settings: Prometheus, log: StepLog) -> None:
    query = context.fill(settings.query)
    url = f"{settings.url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    log.sent("prometheus", query)
    try:
        answer = await context.public.request("GET", url, timeout=_ANSWER)
    except RequestFailed as error:
        raise StepFailure(f"prometheus: {error}") from error
    value = _value(answer.body)
    if value is None:
        raise StepFailure(f"prometheus: `{query}` did not return a single value (status {answer.status})")
    if value > settings.max:
        raise JudgedBad(f"prometheus: `{query}` is {value:g}; the limit is {settings.max:g}")


def _value(body: str) -> float | None:
    """The value of a scalar, or of a vector with one element; `None` for any other answer of Prometheus."""
    try:
        data = json.loads(body)["data"]
        if data["resultType"] == "vector":
            (only,) = data["result"]
            return float(only["value"][1])
        return float(data["result"][1])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


async def _command(context: NodeContext, line: str, log: StepLog) -> None:
    log.sent("this machine", line)
    completed = await context.here.run(
        line, environment=context.environment, timeout=_COMMAND, output=log.output
    )
    if completed.status != 0:
        raise JudgedBad(f"`{line.strip()}` exited with {completed.status}", tail=completed.tail)
