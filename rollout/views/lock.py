"""The output of `rollout lock`."""

from __future__ import annotations

from rollout.domain import LockState
from rollout.views.text import duration


def line(service: str, state: LockState | None, where: str, now: float, *, left_by_crash: bool) -> str:
    """For people: who holds the lock, since when, and where it is. `now` is Unix time."""
    return f"{service}: {_held(state, now, left_by_crash=left_by_crash)} ({where})"


def document(state: LockState | None, where: str, *, left_by_crash: bool) -> dict[str, object]:
    """For programs: `since` is Unix time, `silent` the seconds since the last sign of life."""
    if state is None:
        return {"held": False, "where": where}
    holder = state.holder
    return {
        "held": True,
        "where": where,
        "user": holder.user,
        "host": holder.host,
        "pid": holder.pid,
        "since": holder.since,
        "purpose": holder.purpose,
        "silent": state.silent,
        "left_by_a_crash": left_by_crash,
    }


def _held(state: LockState | None, now: float, *, left_by_crash: bool) -> str:
    if state is None:
        return "nobody holds the lock"
    since = duration(max(0.0, now - state.holder.since))
    crash = "; left behind by a crash" if left_by_crash else ""
    return f"{state.holder}, for {since}, last sign of life {duration(state.silent)} ago{crash}"
