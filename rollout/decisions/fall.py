"""The fall of a node: a deployment had put it back, and it is out of rotation again.

Values in, values out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rollout.decisions.alike import first_of
from rollout.decisions.plan import out_of_rotation
from rollout.decisions.standing import Serving, may_be_down
from rollout.domain import CheckResult, OperationalState, Server, ServerBefore, ServerState, Standing


@dataclass(frozen=True, slots=True)
class Fall:
    """Why a node that was put back takes no traffic, or not everywhere."""

    reason: str
    by_others: bool = False
    """Whether a person decided so, and not a check: the release is not to blame."""


def fall(
    states: Iterable[ServerState], before: Mapping[Server, ServerBefore | None], serving: Serving
) -> Fall | None:
    """The fall of a node with these servers; `None` while all are in rotation that have to be.

    `before` is how the servers were before the deployment, as far as that is known: one that others kept out
    stays out, and one that was down by design may be down. `serving` are the servers in rotation, by load
    balancer and backend.
    """
    wanted = [state for state in states if not _was_out(state, before.get(state.server))]
    down = [
        state
        for state in wanted
        if state.operational in (OperationalState.STOPPED, OperationalState.STOPPING)
        and not state.admin.is_out
        and not _may_be_down(state, before.get(state.server), serving)
    ]
    if stopped := [state for state in down if state.operational is OperationalState.STOPPED]:
        return Fall(f"HAProxy finds {first_of([f'{s.server} {s.status}{_check(s)}' for s in stopped])}")
    if reason := out_of_rotation(wanted):
        return Fall(f"{reason}, and rollout did not set that", by_others=True)
    if down:
        return Fall(f"the page that HAProxy checks answers 404: {down[0].server} shows NOLB", by_others=True)
    return None


def in_doubt(states: Iterable[ServerState]) -> str:
    """Why a node may be about to fall: its last check failed, but not often enough yet; or empty."""
    failing = [s for s in states if s.running and not s.admin.is_out and s.check_result is CheckResult.FAILED]
    return first_of([f"{s.server} shows {s.status}{_check(s)}" for s in failing])


def _was_out(state: ServerState, before: ServerBefore | None) -> bool:
    """Whether others kept the server out, or at weight 0, before its node was touched."""
    return before is not None and (before.kept_out or before.weight == 0)


def _may_be_down(state: ServerState, before: ServerBefore | None, serving: Serving) -> bool:
    standing = Standing.UP if before is None else before.standing
    return bool(may_be_down(standing, state.server, serving.get(state.server.load_balancer, {})))


def _check(state: ServerState) -> str:
    """The result of the last check, in HAProxy's word."""
    return f" (last check: {state.check_status})" if state.check_status else ""
