"""etcd's errors, and those on the way to it, as errors of a place."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence

import httpx

from rollout.adapters.http import causes, translated
from rollout.domain import EtcdAddress
from rollout.errors import PlaceError, PlaceRefused

ALREADY_THERE = 9
"""gRPC's code where a lease was granted before."""
AUTHENTICATION_OFF = "authentication is not enabled"
"""etcd's words where it has no users, and so no tokens."""

_HANDSHAKE = (ssl.SSLError, ConnectionResetError, BrokenPipeError)
"""What comes of a TLS handshake that fails, once there is a connection."""
_RUNS = "check that etcd runs, and its members under `state`"
_PERMISSION_DENIED, _UNAUTHENTICATED = 7, 16
_ANOTHER_MEMBER_MAY = (1, 2, 4, 13, 14)
"""gRPC's codes where a member cannot answer now: cancelled, unknown, deadline, internal, unavailable."""


class Declined(PlaceError):
    """etcd answered a request with an error; `code` is gRPC's."""

    def __init__(self, member: str, message: str, code: int) -> None:
        full = "database space exceeded" in message
        hint = "compact and defragment etcd, then run: etcdctl alarm disarm" if full else None
        super().__init__(f"etcd at {member}: {message}", hint=hint)
        self.code = code


class MemberFailed(PlaceError):
    """One member gave no answer that can be used: another may."""

    def __init__(self, message: str, *, hint: str, electing: bool = False, refused: bool = False) -> None:
        """`electing` says that it may answer in a moment, `refused` that it will not as things are."""
        super().__init__(message, hint=hint)
        self.electing = electing
        self.refused = refused


def unreachable(member: str, error: Exception, timeout: float, *, tls: bool) -> MemberFailed:
    """The failure of a request to which no answer came."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return MemberFailed(f"{member}: no answer within {timeout:g} s", hint=_RUNS)
    behind = list(causes(error))
    reason = next((text for text in map(str, behind) if text), "it ended the connection")
    connected = all(isinstance(cause, _HANDSHAKE) for cause in behind if isinstance(cause, OSError))
    if tls and connected and isinstance(error, httpx.ConnectError | ssl.SSLError):
        hint = "check ca, cert and key under `state`, and the names in the member's certificate"
        return MemberFailed(f"{member}: TLS: {reason}", hint=hint, refused=True)
    if connected:  # under TLS 1.3, a member that misses a certificate often says no more
        missing = "cert and key" if tls else "ca, since it may speak TLS alone"
        return MemberFailed(f"{member}: it ended the connection", hint=f"{_RUNS}; and {missing}")
    return MemberFailed(f"{member}: {translated(error)}", hint=_RUNS)


def not_etcd(member: str, status: int) -> MemberFailed:
    """The failure of a member that answers as etcd's JSON gateway does not."""
    return MemberFailed(
        f"{member}: HTTP status {status} is no answer of etcd's JSON gateway",
        hint="use etcd 3.4 or later, without --enable-grpc-gateway=false",
        refused=True,
    )


def no_member(failures: Sequence[MemberFailed]) -> PlaceError:
    """The error where no member answers. A reason that will not pass counts for more than one that may."""
    worst = next((failure for failure in failures if failure.refused), failures[0])
    error = PlaceRefused if worst.refused else PlaceError
    return error(f"no member of etcd can be used: {'; '.join(map(str, failures))}", hint=worst.hint)


def token_refused(response: httpx.Response) -> bool:
    """Whether a token ran out, or users changed since it was given."""
    if response.is_success:
        return False
    message, code = _said(response)
    return code == _UNAUTHENTICATED or "auth store is old" in message or "user name is empty" in message


def declined(member: str, response: httpx.Response, address: EtcdAddress) -> PlaceError:
    """The error for a response other than success."""
    message, code = _said(response)
    if code is None:
        return not_etcd(member, response.status_code)
    if code == _PERMISSION_DENIED:
        return PlaceRefused(
            f"etcd at {member} does not let the user {address.user or 'of the certificate'} use "
            f"{address.prefix}",
            hint=f"etcdctl role grant-permission ROLE --prefix=true readwrite {address.prefix}/",
        )
    if "user name is empty" in message:
        return PlaceRefused(
            f"etcd at {member} asks for a user", hint="give `user` and `password` under `state`"
        )
    if "authentication failed" in message:
        return PlaceRefused(
            f"etcd at {member} refused the password of the user {address.user}",
            hint="check `user` and `password` under `state`",
        )
    if code in _ANOTHER_MEMBER_MAY:
        hint = "look at etcd: etcdctl endpoint health"
        if address.ca:
            hint += "; its own certificate must be one for clients, too: its JSON gateway is a client of it"
        return MemberFailed(f"{member}: {message}", hint=hint, electing=True)
    return Declined(member, message, code)


def _said(response: httpx.Response) -> tuple[str, int | None]:
    """etcd's message, and gRPC's code; `None` where it is not etcd who answers."""
    try:
        said = json.loads(response.content)
        said = said if "message" in said else said["error"]  # as a stream has it
        code = said["code"] if "code" in said else said["grpc_code"]
        return str(said["message"]).removeprefix("etcdserver: "), int(code)
    except (ValueError, KeyError, TypeError):
        return "", None
