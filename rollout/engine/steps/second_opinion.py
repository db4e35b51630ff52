"""What others than HAProxy say of a release that has baked: Prometheus, and a command."""

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
"""Seconds for the command."""


async def second_opinions(context: NodeContext, judge: Judge, log: StepLog) -> None:
    """Raises JudgedBad, and StepFailure where one has no answer."""
    if judge.prometheus is not None:
        await _prometheus(context, judge.prometheus, log)
    if judge.command is not None:
        await _command(context, judge.command, log)


async def _prometheus(context: NodeContext, asked: Prometheus, log: StepLog) -> None:
    query = context.fill(asked.query)
    url = f"{asked.url.rstrip('/')}/api/v1/query?{urlencode({'query': query})}"
    log.sent("prometheus", query)
    try:
        answer = await context.public.request("GET", url, timeout=_ANSWER)
    except RequestFailed as error:
        raise StepFailure(f"prometheus: {error}") from error
    value = _value(answer.body)
    if value is None:
        raise StepFailure(f"prometheus: `{query}` has no single value (status {answer.status})")
    if value > asked.max:
        raise JudgedBad(f"prometheus: `{query}` is {value:g}, and {asked.max:g} is the limit")


def _value(body: str) -> float | None:
    """The one value of a scalar or a vector."""
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
    done = await context.here.run(line, environment=context.environment, timeout=_COMMAND, output=log.output)
    if done.status != 0:
        raise JudgedBad(f"`{line.strip()}` exited with {done.status}", tail=done.tail)
