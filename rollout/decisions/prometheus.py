"""Prometheus's answers to a query: the value, or why there is none. Nothing in an answer is trusted."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import Any

from rollout.decisions.opinion import Kind, Reply
from rollout.domain import Answer

_SHOWN = 200
"""Characters that are shown of an answer that cannot be used."""


class _NoValueError(Exception):
    """The answer has no value; its text says why."""


def of_prometheus(query: str, largest: float, answer: Answer) -> Reply:
    """The reply that an answer of Prometheus is: good with a value up to `largest`."""
    try:
        value = _value(query, answer)
    except _NoValueError as error:
        return Reply(Kind.NONE, str(error))
    if value > largest:
        return Reply(Kind.BAD, f"`{query}` is {value:g}; the limit is {largest:g}")
    return Reply(Kind.GOOD, f"`{query}` is {value:g}")


def _value(query: str, answer: Answer) -> float:
    """The value of a scalar, or of a vector with one element. Raises _NoValueError."""
    body = _json(answer)
    if answer.status != HTTPStatus.OK or body.get("status") != "success":
        why = f"{body.get('errorType', 'error')}: {body['error']}" if "error" in body else answer.body
        raise _NoValueError(f"status {answer.status}, {why[:_SHOWN].strip() or 'nothing else'}")
    try:
        value = _number(_sample(body["data"])[1])
    except (KeyError, TypeError, ValueError, IndexError):
        raise _NoValueError(f"`{query}` did not return a single value: {_returned(body)}") from None
    if math.isnan(value):
        raise _NoValueError(f"`{query}` is NaN: it divides zero by zero, perhaps for want of traffic")
    if math.isinf(value):
        raise _NoValueError(f"`{query}` is {value:+}: it divides by zero")
    return value


def _json(answer: Answer) -> dict[str, Any]:
    """The body as JSON; empty if it is none."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _sample(data: Any) -> Any:
    """A time and a value."""
    if data["resultType"] == "vector":
        (only,) = data["result"]
        return only["value"]
    if data["resultType"] == "scalar":
        return data["result"]
    raise ValueError


def _number(text: Any) -> float:
    """A value, which Prometheus writes as text. Raises ValueError, TypeError."""
    if not isinstance(text, str):
        raise TypeError
    return float(text)


def _returned(body: dict[str, Any]) -> str:
    """What Prometheus returned instead of one value."""
    data = body.get("data")
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if not isinstance(result, list) or kind not in ("vector", "scalar"):
        return "it returned no vector and no scalar"
    return f"it returned {len(result)} series" if kind == "vector" and len(result) != 1 else "it is no number"
