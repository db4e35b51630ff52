"""Login: from a stream to a connection that is authenticated and quick."""

from __future__ import annotations

import contextlib
import functools
from typing import Any, cast

from fabric import Config, Connection
from paramiko import ChannelException, SSHConfig, SSHException
from paramiko.ssh_exception import IncompatiblePeer

from rollout.adapters.ssh import agent, algorithms
from rollout.adapters.ssh.authentication import PublicKeys
from rollout.adapters.ssh.dialing import ProxyCommand, Stream, TcpStream
from rollout.adapters.ssh.host_keys import HostKeyCheck
from rollout.adapters.ssh.no_connection import NoConnection
from rollout.adapters.ssh.settings import Settings
from rollout.adapters.ssh.threads import Threads
from rollout.adapters.ssh.transport import Transport
from rollout.errors import HostUnreachable


class TooBusy(Exception):
    """The server hung up before it said who it is, as an sshd does at its `MaxStartups`: try again."""


def log_in(settings: Settings, stream: Stream, timeout: float, threads: Threads) -> Transport:
    """The connection over `stream`, with the host's key checked. Blocks. Raises NoConnection, TooBusy.

    `timeout` is in seconds, for each of its steps.
    """
    check = HostKeyCheck(settings, stream.getpeername()[0] if isinstance(stream, TcpStream) else None)

    def transport(stream: Stream, **options: Any) -> Transport:
        made = Transport(stream, **options)
        algorithms.use(made, settings.algorithms, check)
        made.handshake_timeout = timeout
        return made

    connection = Connection(
        settings.host,
        user=settings.user,
        port=settings.port,
        config=Config(lazy=True, ssh_config=SSHConfig()),
        gateway=False,  # fabric's own jump hosts would trust any key
    )
    connection.connect_kwargs = {
        "sock": stream,
        "timeout": timeout,
        "banner_timeout": timeout,
        "auth_timeout": timeout,
        "compress": settings.compression,
        "disabled_algorithms": algorithms.disabled(settings.algorithms),
        "transport_factory": transport,
        "auth_strategy": PublicKeys(settings),
    }
    connection.client.set_missing_host_key_policy(check)
    try:
        connection.open()
    except Exception as error:
        connection.client.close()
        stream.close()
        raise _explained(error, settings, stream) from error
    opened = cast(Transport, connection.transport)
    opened.session_environment = settings.environment
    if (forwarded := settings.forwarded_agent) is not None:
        opened.carry_agent = lambda channel: threads.start(functools.partial(agent.carry, channel, forwarded))
    if not (isinstance(stream, TcpStream) and stream.quick):
        _warm_up(opened, timeout)
    opened.wait_longer()
    return opened


def _warm_up(transport: Transport, timeout: float) -> None:
    """Run a first command: sshd turns no-delay on with it, and until then each answer may take 44 ms.

    The command's end is not waited for: a login shell's start-up files may take long.
    """
    with contextlib.suppress(ChannelException, TimeoutError):
        session = transport.open("session", timeout=timeout)
        session.settimeout(timeout)
        session.exec_command("exit 0")
        session.shutdown_write()
        transport.warm_up = session


def _explained(error: Exception, settings: Settings, stream: Stream) -> Exception:
    if isinstance(error, NoConnection):
        return error
    if isinstance(stream, ProxyCommand) and stream.complaint:
        return NoConnection(HostUnreachable, f"ProxyCommand: {stream.complaint}")
    match error:
        case IncompatiblePeer():
            return NoConnection(HostUnreachable, f"no common algorithms with {settings.address}: {error}")
        case SSHException() if "banner" in str(error) or "protocol version" in str(error):
            return TooBusy(f"the server on {settings.address} does not speak SSH, or is too busy")
        case _:
            return TooBusy(f"{settings.address} hung up before the login ({error or 'end of file'})")
