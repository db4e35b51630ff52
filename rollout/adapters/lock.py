"""The lock of a service: a folder on a host where all deployers meet.

Renaming a folder is atomic; each line is judged by its exit status. The age of a sign of
life is told by the clock of the host that has the folder, so that no two clocks are compared.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Literal

from rollout.domain import Completed, LockHolder, LockRequests, LockState
from rollout.errors import HostError, LockLost
from rollout.ports import Host

_TIMEOUT = 10.0
_TAKEN, _NOT_OURS = 17, 18
"""Exit statuses of ours that say what was found."""

_TAKE = """
mkdir -p "$(dirname "$ROLLOUT_LOCK")" && new=$(mktemp -d "$ROLLOUT_LOCK.XXXXXX") && chmod 755 "$new" || exit 1
touch "$new/beat" && printf '%s\\n' "$ROLLOUT_HOLDER" > "$new/holder" || exit 1
mv -T "$new" "$ROLLOUT_LOCK" 2>/dev/null && exit 0
rm -rf "$new"
if [ -d "$ROLLOUT_LOCK" ] || [ ! -e "$ROLLOUT_LOCK" ]; then exit 17; fi
echo "$ROLLOUT_LOCK cannot be made"; exit 1
"""
"""A folder is never renamed over one that holds something, so the lock is there at once, with its holder.
Where nothing is there after all, another one's lock was given up in this moment."""
_HELD = """
[ -d "$ROLLOUT_LOCK" ] || exit 18
cat "$ROLLOUT_LOCK/holder"
echo $(( $(date +%s) - $(stat -c %Y "$ROLLOUT_LOCK/beat" 2>/dev/null || echo 0) ))
"""
_BEAT = """
grep -qsF "$ROLLOUT_TOKEN" "$ROLLOUT_LOCK/holder" || exit 18
touch "$ROLLOUT_LOCK/beat"
for wish in halt promote; do
    if [ -e "$ROLLOUT_LOCK/$wish" ]; then printf '%s ' "$wish"; cat "$ROLLOUT_LOCK/$wish"; fi
done
rm -f "$ROLLOUT_LOCK/promote"
"""
_ASK = '[ -d "$ROLLOUT_LOCK" ] || exit 18; printf "%s\\n" "$ROLLOUT_WHO" > "$ROLLOUT_LOCK/$ROLLOUT_WISH"'
_DROP = """
grep -qsF "$ROLLOUT_TOKEN" "$ROLLOUT_LOCK/holder" || exit 18
mv -T "$ROLLOUT_LOCK" "$ROLLOUT_LOCK.$$" && rm -rf "$ROLLOUT_LOCK.$$"
"""


class FolderLock:
    """Implements `Lock`."""

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = folder

    @property
    def where(self) -> str:
        return f"{self._folder} on {self._host.name}"

    async def take(self, holder: LockHolder) -> bool:
        written = json.dumps(dataclasses.asdict(holder))
        return (await self._run(_TAKE, _TAKEN, ROLLOUT_HOLDER=written)).status == 0

    async def held(self) -> LockState | None:
        found = await self._run(_HELD, _NOT_OURS)
        if found.status != 0:
            return None
        try:
            written, silent = found.tail[-2:]
            return LockState(LockHolder(**json.loads(written)), float(silent))
        except (ValueError, TypeError) as error:
            raise HostError(
                self._host.name, f"{self._folder} is no lock of rollout: {error}", hint="remove it by hand"
            ) from error

    async def beat(self, holder: LockHolder) -> LockRequests:
        beaten = await self._run(_BEAT, _NOT_OURS, ROLLOUT_TOKEN=holder.token)
        if beaten.status != 0:
            raise LockLost(f"the lock {self.where} was taken away")
        asked = dict(line.split(" ", 1) for line in beaten.tail if " " in line)
        return LockRequests(asked.get("halt", ""), asked.get("promote", ""))

    async def ask(self, wish: Literal["halt", "promote"], who: str) -> bool:
        return (await self._run(_ASK, _NOT_OURS, ROLLOUT_WISH=wish, ROLLOUT_WHO=who)).status == 0

    async def drop(self, holder: LockHolder) -> None:
        await self._run(_DROP, _NOT_OURS, ROLLOUT_TOKEN=holder.token)

    async def _run(self, line: str, expected: int, **environment: str) -> Completed:
        """Run a line that ends with 0 or with `expected`. Raises HostError for any other status."""
        done = await self._host.run(
            line, environment={"ROLLOUT_LOCK": self._folder, **environment}, timeout=_TIMEOUT
        )
        if done.status not in (0, expected):
            said = "; ".join(done.tail) or f"exit status {done.status}"
            raise HostError(self._host.name, f"the lock {self._folder} could not be used: {said}")
        return done
