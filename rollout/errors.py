"""Errors: one tree for all that a user, a machine or a network can cause.

Each says what failed and where, and, where there is one, the command to run next. Adapters translate the
exceptions of their libraries into these; only `rollout.cli` turns them into exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence


class RolloutError(Exception):
    """An error that a user, a machine or a network can cause. Its text is shown as it is.

    `hint` is what to do about it: one line, with a command where possible.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RolloutError):
    """The inventory or the command line is wrong."""


class Refused(RolloutError):
    """The verb refused to begin: nothing was touched."""


class SourceError(RolloutError):
    """A file or folder that is sent to nodes cannot be read on this machine."""


class LoadBalancerError(RolloutError):
    """A load balancer could not be asked, or its answer cannot be used."""

    def __init__(self, load_balancer: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{load_balancer}: {message}", hint=hint)
        self.load_balancer = load_balancer


class LoadBalancerUnreachable(LoadBalancerError):
    """The runtime socket did not answer. HAProxy may be reloading: it makes sense to try again."""


class NotHAProxy(LoadBalancerError):
    """Something other than HAProxy's runtime API answered on the socket."""


class CommandRejected(LoadBalancerError):
    """HAProxy answered `command` with an error; empty if it is not known which one."""

    def __init__(
        self, load_balancer: str, message: str, *, hint: str | None = None, command: str = ""
    ) -> None:
        super().__init__(load_balancer, message, hint=hint)
        self.command = command


class HostError(RolloutError):
    """A host could not be reached, or could not do what it was asked."""

    def __init__(self, host: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{host}: {message}", hint=hint)
        self.host = host


class HostUnreachable(HostError):
    """No SSH connection could be made: network, name, port, or the server hung up."""


class AuthenticationFailed(HostError):
    """The host answers, but accepts none of the user's keys."""


class HostKeyUnknown(HostError):
    """The host's key is not in known_hosts."""


class HostKeyChanged(HostError):
    """The host's key is not the one in known_hosts."""


class CommandTimedOut(HostError):
    """A command did not end in time. It was told to end, and may still run."""


class NotRun(HostError):
    """The login ended without running the command, whatever its exit status says."""

    def __init__(self, host: str, status: int, printed: Sequence[str]) -> None:
        """`status` is how the login ended, and `printed` what it printed, oldest line first."""
        said = "; ".join(line for line in printed if line.strip())
        super().__init__(
            host,
            f"the command did not run: the login ended with exit status {status}, and "
            + (f"printed: {said}" if said else "printed nothing"),
            hint="look at the login's shell, at its start-up files (a ~/.bashrc may exit), and at `command=` "
            "in its authorized_keys",
        )


class Superseded(HostError):
    """The command did not begin, since somebody else has claimed the node."""

    def __init__(self, host: str, by: str) -> None:
        """`by` is who claimed it."""
        super().__init__(
            host,
            f"the command did not run: {by} has taken over this node since",
            hint="two runs of rollout may not change a node at once: see `rollout status` and `rollout lock`",
        )


class NodeBusy(HostError):
    """A command that an earlier run of rollout left on the node goes on, and cannot be ended."""


class AnswerLost(HostError):
    """The connection broke between a command and its exit status: its outcome is unknown."""


class StepFailure(RolloutError):
    """A step of a node failed.

    `tail` are the last lines that the node printed, oldest first.
    """

    def __init__(self, message: str, *, hint: str | None = None, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.tail = tuple(tail)


class NotRunning(StepFailure):
    """The application does not run on the node, so there is nothing to restart."""


class ReleaseRefused(StepFailure):
    """The application has not taken a release: what ran before runs on as it did."""


class NoCapacity(StepFailure):
    """A node was not drained, since the others could not carry its traffic. No other node may be tried."""


class JudgedBad(StepFailure):
    """Users get worse answers from a node since it runs the new release."""


class Undecided(StepFailure):
    """A release cannot be judged, since what is asked about it gives no answer. It is not to blame."""


class Outage(StepFailure):
    """All nodes have the same problem, so the release is not to blame."""


class ChangedByOthers(StepFailure):
    """Somebody else changed a server that was taken out, or had been put back. What they set stays."""


class SiteChanged(StepFailure):
    """A load balancer changed in mid-deployment, so that nodes cannot be found: no other node is tried."""


class Fallen(StepFailure):
    """A node that a deployment had put back is out of rotation again, by a health check."""


class RequestFailed(RolloutError):
    """An HTTP request got no answer, or one that is of no use."""


class NobodyListens(RequestFailed):
    """Nothing listens on the port, or not yet: asking again costs nothing."""


class LockLost(RolloutError):
    """Somebody broke the lock of this deployment, or took it over."""


class PlaceError(RolloutError):
    """The place where deployers meet cannot be reached, read or written now."""


class PlaceRefused(PlaceError):
    """The place is not to be used as it is: it is not safe, or the login may not."""


class FactsMissing(RolloutError):
    """Facts that come before those that were published are not at the place: `have` are."""

    def __init__(self, have: int) -> None:
        super().__init__(f"the place has {have} facts")
        self.have = have


class JournalError(RolloutError):
    """The journal cannot be read or written."""
