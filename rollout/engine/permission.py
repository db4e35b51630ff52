"""The permission to touch the service, which may have ended while this process slept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Permission:
    """Asked for before anything is sent that changes something. Given as long as no lock says otherwise."""

    def __init__(self) -> None:
        self.confirm: Callable[[], Awaitable[None]] | None = None
        """Returns if the lock is still held. Raises LockLost, HostError."""

    async def ask(self) -> None:
        """Return if the service may be touched. Raises LockLost, HostError."""
        if self.confirm is not None:
            await self.confirm()
