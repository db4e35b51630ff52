"""Times of day for people, and moments for programs."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(time: float | None) -> str | None:
    """A Unix time as ISO 8601 in UTC, to the millisecond: `2026-11-30T02:14:05.000Z`."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(time: float) -> str:
    """The time of day here: `02:14:05`."""
    return datetime.fromtimestamp(time).strftime("%H:%M:%S")


def day(time: float) -> str:
    """The day and the minute here: `2026-11-30 02:14`."""
    return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M")


def moment(time: float) -> str:
    """The day, the second and the time zone here: `2026-11-30 02:14:05 CET`."""
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
