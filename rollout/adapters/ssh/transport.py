"""paramiko's transport with what it lacks: UNIX sockets, ends by signal, errors that find their channel."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import paramiko
from paramiko import Channel, ChannelException, Message, SSHException
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST

PROHIBITED, CONNECT_FAILED, UNKNOWN_TYPE = 1, 2, 3
"""Codes of a `ChannelException`, from RFC 4254."""

_LOOK_AGAIN = 0.1
"""Seconds between two looks at whether the connection is still there."""

_IDLE = 10.0
"""Seconds that the thread of a connection waits for the host before it looks around. paramiko looks ten times
a second, so that a connection that was closed here is noticed: a hundred connections took 10 % of a core."""

_WARM_UP = 2.0
"""Seconds that a login shell may take, before the connection is closed under it."""


def close(channel: Channel) -> None:
    """Close a channel, also if its connection is gone already."""
    with contextlib.suppress(SSHException, EOFError, OSError):
        channel.close()


def broken(channel: Channel, when: str, error: Exception | None = None) -> str:
    """The message for a connection that broke: when, and why, as far as rollout knows. `error` is the
    library's."""
    transport = cast(Transport, channel.get_transport())
    why = transport.silence() or str(error or "")
    return f"the connection broke {when}: {why}" if why else f"the connection broke {when}"


def _request(channel: Channel, message: Message) -> None:
    """Handle a request of the host: `exit-signal` is an end, too, after which paramiko has no status."""
    if message.get_text() == "exit-signal":
        message.get_boolean()
        number = getattr(signal, f"SIG{message.get_text()}", 0)
        channel.exit_status = 128 + int(number)
        channel.status_event.set()
        return
    message.rewind()
    message.get_int()
    inner: Any = channel
    inner._handle_request(message)


_handlers: dict[int, Any] = vars(paramiko.Transport)["_channel_handler_table"]


class Transport(paramiko.Transport):
    """The protocol of one connection, with a thread that reads it. Methods block: call them in threads."""

    _channel_handler_table = _handlers | {MSG_CHANNEL_REQUEST: _request}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._not_opened: dict[int, ChannelException] = {}
        self._asking = threading.Lock()
        self.destination = ""
        """The host as errors call it where it is a jump host."""
        self.heard = 0
        """How many messages have come from the host."""
        self.heard_at = 0.0
        """When the last one came, in seconds of the monotonic clock."""
        self._count_messages()
        self._silence = ""
        self.warm_up: Channel | None = None
        """The session of the first command, kept until it ends by itself."""
        self.session_environment: tuple[tuple[str, str], ...] = ()
        """Variables that are offered to each session."""
        self.carry_agent: Callable[[Channel], object] | None = None
        """Takes a channel by which a program on the host asks the forwarded agent, and returns at once."""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """The kinds of host keys, in the order that was set. paramiko's own puts certificates last."""
        return tuple(self.get_security_options().key_types)

    @property
    def jump(self) -> Transport | None:
        """The connection to the jump host through which this one goes."""
        stream: Any = self.sock
        return cast(Transport, stream.get_transport()) if isinstance(stream, Channel) else None

    def silence(self, host: str = "it") -> str:
        """The silence of `host`, or of a jump host, for which rollout gave the connection up; empty if it did
        not."""
        if self._silence or self.jump is None:
            return self._silence and f"{host} {self._silence}"
        return self.jump.silence(f"jump host {self.jump.destination}")

    def open(self, kind: str, *fields: str | int, timeout: float) -> Channel:
        """A new channel of any kind; `fields` follow the common part of the message. `timeout` is in seconds.

        Unlike `open_channel`, it can be called by many threads: each gets the error of its own channel.
        Raises ChannelException if the host says no, another SSHException if the connection is of no use.
        """
        if not self.is_active():
            raise SSHException("the connection is closed")
        inner: Any = self
        window, packet = self.default_window_size, self.default_max_packet_size
        with self.lock:
            number = inner._next_channel()
            channel: Any = Channel(number)
            inner._channels.put(number, channel)
            self.channel_events[number] = answered = threading.Event()
            self.channels_seen[number] = True
            channel._set_transport(self)
            channel._set_window(window, packet)
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        for field in (number, window, packet, *fields):
            (message.add_int if isinstance(field, int) else message.add_string)(field)
        inner._send_user_message(message)
        # Looks are counted, not seconds: this process may sleep meanwhile.
        looks = timeout / _LOOK_AGAIN
        while self.is_active() and not answered.wait(_LOOK_AGAIN):
            looks -= 1
            if looks <= 0:
                raise SSHException("the connection does not answer")
        if failure := self._not_opened.pop(number, None):
            raise failure
        if not self.is_active():
            raise SSHException("the connection is closed")
        if kind == "session":
            self._prepare(channel)
        return cast(Channel, channel)

    def _prepare(self, session: Channel) -> None:
        """Give a session what ssh_config says. No answer is asked for, so it takes no time."""
        for name, value in self.session_environment:
            session.set_environment_variable(name, value)
        if self.carry_agent is not None:
            session.request_forward_agent(self.carry_agent)

    def open_unix(self, path: str, *, timeout: float) -> Channel:
        """A channel to a UNIX socket on the host, of a kind that OpenSSH has added. Raises as `open`."""
        return self.open("direct-streamlocal@openssh.com", path, "", 0, timeout=timeout)

    def open_tcp(self, host: str, port: int, *, timeout: float) -> Channel:
        """A channel to a TCP address as seen from the host. Raises as `open`."""
        return self.open("direct-tcpip", host, port, "127.0.0.1", 0, timeout=timeout)

    def ask(self) -> None:
        """Ask the host for a sign of life, without waiting for it. May block while the host takes nothing."""
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        inner: Any = self
        inner._send_user_message(message)

    def answers(self, timeout: float) -> bool:
        """Whether the host answers within `timeout` seconds."""
        with self._asking:
            self.completion_event = answered = threading.Event()
            self.ask()
            return answered.wait(timeout) and self.is_active()

    def give_up(self, silence: str) -> None:
        """Close the connection at once, for the `silence` of its host."""
        self._silence = silence
        self.warm_up = None
        self.close()

    def wait_longer(self) -> None:
        """Let the thread sleep while the host sends nothing. Called after the login, whose time-outs need it
        awake."""
        self.sock.settimeout(_IDLE)

    def stop_thread(self) -> None:
        """End the thread, and wake it: no close of a socket does that."""
        self.active = False
        if isinstance(self.sock, socket.socket):
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def close(self) -> None:
        """Close the connection, also if its stream is gone already.

        A login shell that is cut off in its start-up files may leave locks behind, which hinder the next one.
        """
        if self.warm_up is not None and self.is_active():
            self.warm_up.status_event.wait(_WARM_UP)
        with contextlib.suppress(SSHException, EOFError, OSError):
            super().close()

    def _count_messages(self) -> None:
        packetizer: Any = self.packetizer
        read = packetizer.read_message

        def counted() -> tuple[int, Message]:
            message: tuple[int, Message] = read()
            self.heard += 1
            self.heard_at = time.monotonic()
            return message

        packetizer.read_message = counted

    def _parse_channel_open_failure(self, message: Message) -> None:
        number, code, text = message.get_int(), message.get_int(), message.get_text()
        self._not_opened[number] = ChannelException(code, text)
        message.rewind()
        parent: Any = super()
        parent._parse_channel_open_failure(message)
        self.saved_exception = None
