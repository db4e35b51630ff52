"""HAProxy's counters, one row of its statistics at a time, as what became of the requests.

What each failure leaves in which counter was measured (`tests/contract/haproxy/test_counters.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from rollout.domain import Counters

_STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")

Row = Mapping[str, str]
"""The fields of a row by their names."""


def of_backend(row: Row) -> Counters:
    """What users got from a backend: retries are not counted, and HAProxy's own answers are.

    HAProxy counts a request when it begins, and its status, even that of a client that left, when it ends.
    """
    ended, unconnected = _ended(row), number(row.get("econ"))
    if row.get("mode") != "http":
        failed = unconnected + number(row.get("srv_abrt"))
        return Counters(requests=ended - failed, broken=failed, failed_connections=unconnected)
    return _answers(row, ended, unconnected)


def of_server(row: Row) -> Counters:
    """What a server answered.

    HAProxy counts a try when it begins, and its status as soon as the answer begins. A try that is repeated
    has no status, and neither has one whose client leaves before the answer.
    """
    unconnected, retried = number(row.get("econ")), number(row.get("wretr"))
    ended = _ended(row) - unconnected - retried - number(row.get("wredis"))
    unconnected += retried
    if row.get("mode") != "http":
        broken = number(row.get("srv_abrt"))
        return Counters(requests=ended - broken, broken=broken, failed_connections=unconnected)
    return _answers(row, ended - number(row.get("cli_abrt")), unconnected)


def number(text: str | None) -> int:
    """A counter; 0 for one that HAProxy leaves empty because it does not apply."""
    return int(text) if text else 0


def _ended(row: Row) -> int:
    return number(row["stot"]) - number(row["scur"])


def _answers(row: Row, ended: int, unconnected: int) -> Counters:
    answered = sum(number(row.get(f"hrsp_{status}")) for status in _STATUSES)
    return Counters(
        requests=answered,
        errors=number(row.get("hrsp_5xx")),
        broken=ended - answered,
        failed_connections=unconnected,
        cut=number(row.get("srv_abrt")),
    )
