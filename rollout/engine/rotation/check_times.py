"""How long a load balancer's own checks may take to see what a node shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollout.domain import CheckResult, Reading, ServerState
from rollout.engine.configuration import Unreadable
from rollout.engine.loaded_configuration import LoadedConfiguration
from rollout.errors import HostError
from rollout.haproxy_config.intervals import Checks, checks

_FIRST_CHECK = 60.0
"""Seconds to wait at least for a first check, where HAProxy's configuration cannot be read: two intervals of
half a minute, and few sites check less often."""
_NO_CHECK = (
    "HAProxy shows no check since the restart: if its `inter` is that long, raise health.timeout to two of "
    "its intervals"
)
_FAILED = "the node answers its health page, but fails HAProxy's own check"


@dataclass(frozen=True, slots=True)
class Limit:
    """The time that checks get, in seconds, and what to do if it is over."""

    seconds: float
    hint: str


@dataclass(frozen=True, slots=True)
class CheckTimes:
    """The times that checks take on all load balancers.

    `timeout`, in seconds, is enough for a node to come back where HAProxy checks often. Only when it is over,
    HAProxy's configuration is read for how often that is: one of `configurations`, by the load balancer's
    name.
    """

    timeout: float
    configurations: Mapping[str, LoadedConfiguration]
    _read: dict[str, Mapping[str, Checks]] = field(default_factory=dict)
    """What was read, by the load balancer's name; empty if it could not be read."""

    async def first_check(self, reading: Reading, waiting: Sequence[ServerState]) -> Limit:
        """The limit for a first check to pass: two intervals, for HAProxy spreads its checks."""
        known = await self._configured(reading, waiting)
        seconds = max((2 * each.inter for each in known), default=0.0)
        if not known and all(_was_not_checked(state) for state in waiting):
            return Limit(max(self.timeout, _FIRST_CHECK), _NO_CHECK)
        return Limit(max(self.timeout, seconds), _FAILED)

    async def up(self, reading: Reading, waiting: Sequence[ServerState]) -> Limit:
        """The limit for servers that are DOWN to be UP: `rise` intervals, and one until the first check."""
        known = await self._configured(reading, waiting)
        seconds = max(((each.rise + 1) * each.inter for each in known), default=0.0)
        return Limit(max(self.timeout, seconds), _FAILED)

    async def down(self, reading: Reading, waiting: Sequence[ServerState]) -> float:
        """Seconds in which servers whose page fails are DOWN for certain; 0 if nobody knows."""
        known = await self._configured(reading, waiting)
        return max(((each.fall + 1) * each.inter for each in known), default=0.0)

    async def _configured(self, reading: Reading, waiting: Sequence[ServerState]) -> list[Checks]:
        """How each server is checked; empty if that is not known of all of them."""
        name = reading.load_balancer
        if name not in self._read:
            self._read[name] = await self._read_checks(reading)
        found = [self._read[name].get(state.server.path) for state in waiting]
        return [] if None in found else [each for each in found if each is not None]

    async def _read_checks(self, reading: Reading) -> Mapping[str, Checks]:
        try:
            configuration = await self.configurations[reading.load_balancer].read(reading)
        except (HostError, Unreadable):
            return {}
        return checks(configuration.text, reading.version)


def _was_not_checked(state: ServerState) -> bool:
    """Whether no check has ended since HAProxy was told to check again: it shows an old result, or, while a
    check runs, none."""
    return state.check_result in (CheckResult.PASSED, CheckResult.UNKNOWN) and state.check_health == 0
