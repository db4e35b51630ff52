"""The words of `rollout` as frozen values. They are HAProxy's and the field's own.

Import them from here. A value and its file: a deployment's steps and outcome are in `deployment`, all that
HAProxy shows in `haproxy`, what a server goes back to in `server_before`, hosts, sockets and places in
`addresses`, the lock in `lock`, what deployers share in `place`, what runs on a node in `note`, and what
other machines are sent and answer in `exchange`.
"""

from rollout.domain.addresses import (
    EtcdAddress,
    FolderAddress,
    PlaceAddress,
    RuntimeSocket,
    SshSocket,
    SshTarget,
    TcpSocket,
    UnixSocket,
)
from rollout.domain.deployment import NodeState, Outcome, Step, Verdict
from rollout.domain.exchange import Answer, Completed, Content
from rollout.domain.haproxy import (
    TWIN,
    AdminState,
    CheckResult,
    Counters,
    Logged,
    OperationalState,
    Reading,
    Server,
    ServerState,
    Session,
    TimedAnswer,
)
from rollout.domain.lock import LockHolder, LockRequests, LockState
from rollout.domain.note import Note, Orphan
from rollout.domain.place import Publication, Shared
from rollout.domain.server_before import ServerBefore, Standing

__all__ = [
    "TWIN",
    "AdminState",
    "Answer",
    "CheckResult",
    "Completed",
    "Content",
    "Counters",
    "EtcdAddress",
    "FolderAddress",
    "LockHolder",
    "LockRequests",
    "LockState",
    "Logged",
    "NodeState",
    "Note",
    "OperationalState",
    "Orphan",
    "Outcome",
    "PlaceAddress",
    "Publication",
    "Reading",
    "RuntimeSocket",
    "Server",
    "ServerBefore",
    "ServerState",
    "Session",
    "Shared",
    "SshSocket",
    "SshTarget",
    "Standing",
    "Step",
    "TcpSocket",
    "TimedAnswer",
    "UnixSocket",
    "Verdict",
]
