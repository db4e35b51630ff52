"""A connection that could not be made, before it is known which host it was wanted for."""

from __future__ import annotations

from rollout.errors import HostError


class NoConnection(Exception):
    """The reason why there is no connection; `of` makes it the error of the host that needed it.

    Several hosts may share one connection, so the name is added last. `kind` is the class of that error.
    """

    def __init__(self, kind: type[HostError], message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint

    def of(self, host: str) -> HostError:
        """The error as `host` reports it."""
        return self.kind(host, self.message, hint=self.hint)

    def at_jump_host(self, jump: str) -> NoConnection:
        """The same failure, met on the way, at the jump host `jump`."""
        return NoConnection(self.kind, f"jump host {jump}: {self.message}", self.hint)
