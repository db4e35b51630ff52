"""Why a connection cannot be had, before it is known for whom it was wanted."""

from __future__ import annotations

from rollout.errors import HostError


class Refusal(Exception):
    """Becomes the `HostError` that it names. One connection serves many hosts, so the name comes last."""

    def __init__(self, kind: type[HostError], message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint

    def of(self, host: str) -> HostError:
        return self.kind(host, self.message, hint=self.hint)

    def at_jump_host(self, jump: str) -> Refusal:
        return Refusal(self.kind, f"jump host {jump}: {self.message}", self.hint)
