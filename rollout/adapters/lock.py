"""The lock of a service: a folder on a host where all deployers meet.

Renaming a folder is atomic; each shell line is judged by its exit status. The age of a sign of life is
measured by the clock of the host that has the folder, so that no two clocks are compared.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Literal

from rollout.domain import Completed, LockHolder, LockRequests, LockState
from rollout.errors import HostError, LockLost
from rollout.ports import Host

_TIMEOUT = 10.0
"""Seconds for one shell line."""
_TAKEN, _NOT_OURS = 17, 18
"""Exit statuses of the shell lines below: somebody holds the lock; nobody does, or not this holder."""

_TAKE = """
mkdir -p "$(dirname "$ROLLOUT_LOCK")" && new=$(mktemp -d "$ROLLOUT_LOCK.XXXXXX") && chmod 755 "$new" || exit 1
touch "$new/beat" && printf '%s\\n' "$ROLLOUT_HOLDER" > "$new/holder" || exit 1
mv -T "$new" "$ROLLOUT_LOCK" 2>/dev/null && exit 0
rm -rf "$new"
if [ -d "$ROLLOUT_LOCK" ] || [ ! -e "$ROLLOUT_LOCK" ]; then exit 17; fi
echo "$ROLLOUT_LOCK cannot be created"; exit 1
"""
"""A folder is never renamed over one that is not empty, so the lock is there at once, with its holder.
Where nothing is there after all, another one's lock was released in this moment."""
_HELD = """
[ -d "$ROLLOUT_LOCK" ] || exit 18
cat "$ROLLOUT_LOCK/holder"
echo $(( $(date +%s) - $(stat -c %Y "$ROLLOUT_LOCK/beat" 2>/dev/null || echo 0) ))
"""
_BEAT = """
grep -qsF "$ROLLOUT_TOKEN" "$ROLLOUT_LOCK/holder" || exit 18
touch "$ROLLOUT_LOCK/beat"
for request in halt promote; do
    if [ -e "$ROLLOUT_LOCK/$request" ]; then printf '%s ' "$request"; cat "$ROLLOUT_LOCK/$request"; fi
done
rm -f "$ROLLOUT_LOCK/promote"
"""
_ASK = '[ -d "$ROLLOUT_LOCK" ] || exit 18; printf "%s\\n" "$ROLLOUT_WHO" > "$ROLLOUT_LOCK/$ROLLOUT_REQUEST"'
_DROP = """
grep -qsF "$ROLLOUT_TOKEN" "$ROLLOUT_LOCK/holder" || exit 18
mv -T "$ROLLOUT_LOCK" "$ROLLOUT_LOCK.$$" && rm -rf "$ROLLOUT_LOCK.$$"
"""


class FolderLock:
    """Implements `Lock` by a folder on `host`."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = folder

    @property
    def where(self) -> str:
        return f"{self._folder} on {self._host.name}"

    async def take(self, holder: LockHolder) -> bool:
        text = json.dumps(dataclasses.asdict(holder))
        return (await self._run(_TAKE, _TAKEN, ROLLOUT_HOLDER=text)).status == 0

    async def held(self) -> LockState | None:
        completed = await self._run(_HELD, _NOT_OURS)
        if completed.status != 0:
            return None
        try:
            holder, silent = completed.tail[-2:]
            return LockState(LockHolder(**json.loads(holder)), float(silent))
        except (ValueError, TypeError) as error:
            message = f"{self._folder} exists but is not a lock of rollout: {error}"
            raise HostError(self._host.name, message, hint="look inside, then remove it yourself") from error

    async def beat(self, holder: LockHolder) -> LockRequests:
        completed = await self._run(_BEAT, _NOT_OURS, ROLLOUT_TOKEN=holder.token)
        if completed.status != 0:
            raise LockLost(f"somebody broke the lock {self.where}")
        who_asked = dict(line.split(" ", 1) for line in completed.tail if " " in line)
        return LockRequests(who_asked.get("halt", ""), who_asked.get("promote", ""))

    async def ask(self, request: Literal["halt", "promote"], who: str) -> bool:
        return (await self._run(_ASK, _NOT_OURS, ROLLOUT_REQUEST=request, ROLLOUT_WHO=who)).status == 0

    async def drop(self, holder: LockHolder) -> None:
        await self._run(_DROP, _NOT_OURS, ROLLOUT_TOKEN=holder.token)

    async def _run(self, line: str, expected: int, **environment: str) -> Completed:
        """Run a line that exits with 0 or with `expected`. Raises HostError for any other status."""
        completed = await self._host.run(
            line, environment={"ROLLOUT_LOCK": self._folder, **environment}, timeout=_TIMEOUT
        )
        if completed.status not in (0, expected):
            reason = "; ".join(completed.tail) or f"exit status {completed.status}"
            raise HostError(self._host.name, f"the lock {self._folder} cannot be used: {reason}")
        return completed
