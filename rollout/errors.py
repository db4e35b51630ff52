"""The one tree of errors.

Every error says what failed and where, and, where there is one, the command to run next. Adapters
translate what their libraries raise into these; only `rollout.cli` turns them into exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence


class RolloutError(Exception):
    """Something that a user, a machine or a network can cause.

    `hint` is what to do about it: one line, a command where possible.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RolloutError):
    """The inventory or the command line is wrong."""


class Refused(RolloutError):
    """The deployment was refused before anything was touched."""


class SourceError(RolloutError):
    """What should be sent to the nodes cannot be read here."""


class LoadBalancerError(RolloutError):
    """A load balancer could not be asked, or said no."""

    def __init__(self, load_balancer: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{load_balancer}: {message}", hint=hint)
        self.load_balancer = load_balancer


class LoadBalancerUnreachable(LoadBalancerError):
    """Its runtime socket did not answer. It may be reloading: trying again is sensible."""


class NotHAProxy(LoadBalancerError):
    """What answered on the socket is not HAProxy's runtime API."""


class CommandRefused(LoadBalancerError):
    """HAProxy answered a command with an error."""


class HostError(RolloutError):
    """A host could not be reached, or a command on it failed."""

    def __init__(self, host: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{host}: {message}", hint=hint)
        self.host = host


class HostUnreachable(HostError):
    """No SSH connection could be made: network, name, port, or the server hung up."""


class AuthenticationFailed(HostError):
    """The host is there but accepts none of our keys."""


class HostKeyUnknown(HostError):
    """The host's key is not in known_hosts."""


class HostKeyChanged(HostError):
    """The host's key is not the one in known_hosts."""


class CommandTimedOut(HostError):
    """A command did not end in time; it was given up and may still run."""


class AnswerLost(HostError):
    """A command was sent and the connection broke before its exit status came: its outcome is unknown."""


class StepFailure(RolloutError):
    """A step of a node did not do what it must.

    `tail` is the last lines of what the node printed, oldest first.
    """

    def __init__(self, message: str, *, hint: str | None = None, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.tail = tuple(tail)


class NoCapacity(StepFailure):
    """A node was not taken out: the others could not carry its traffic. No other one may be tried."""


class JudgedBad(StepFailure):
    """Users get worse answers from a node since it has the new release."""


class Outage(StepFailure):
    """All nodes have the same problem: the release is not to blame."""


class ChangedByOthers(StepFailure):
    """Somebody else changed a server while it was out: what they set is theirs and stays."""


class RequestFailed(RolloutError):
    """An HTTP request got no answer."""


class ConnectionRefused(RequestFailed):
    """Nothing listens there (yet): asking again costs nothing."""


class LockLost(RolloutError):
    """Somebody else took the lock away while we held it."""


class JournalError(RolloutError):
    """The journal could not be written or read."""
