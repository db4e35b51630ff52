"""HAProxy's runtime API, asked in lines that fit into HAProxy's buffer.

HAProxy 3.2 takes no line that is longer than `tune.bufsize`; other versions take the line, but no command
that is longer. What is too long is not carried out. HAProxy says so, but the connection may break before that
answer arrives: so no line is ever as long as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.adapters.haproxy.replies import SEVERITY
from rollout.adapters.haproxy.transport import Transport
from rollout.errors import CommandRejected

_LONGEST = 2000
"""Bytes of a line. HAProxy's buffers have 16,384; with less than 2,048 it cannot show its own statistics."""
_TOO_LONG = " is too big for the buffer size."
_END = 200
"""Characters at the end of an answer that hold this message: HAProxy says nothing after it."""


class Console:
    """The runtime API of a load balancer: a line goes out, an answer comes back."""

    def __init__(self, load_balancer: str, transport: Transport) -> None:
        self.load_balancer = load_balancer
        self._transport = transport

    async def ask(self, line: str) -> str:
        """The answer to one line. Raises LoadBalancerUnreachable, and CommandRejected if it is too long."""
        reply = await self._transport.ask(f"{SEVERITY};{line}\n".encode())
        answer = reply.decode(errors="replace")
        if _TOO_LONG in answer[-_END:]:
            raise CommandRejected(
                self.load_balancer,
                f"HAProxy's buffer is too small for a line of {len(line):,} bytes: `{line}`",
                hint="raise `tune.bufsize` in HAProxy's global section",
            )
        return answer

    def renew(self) -> None:
        """Ask on new connections from now on: HAProxy was reloaded, it seems."""
        self._transport.renew()

    def holds(self, commands: str, question: str) -> bool:
        """Whether one line holds both."""
        return len(f"{SEVERITY};{commands};{question}\n") <= _LONGEST


def lines(commands: Sequence[str], *, first: str = "") -> Iterator[str]:
    """The lines that carry `commands`, in order. Each begins with the command `first`, if there is one."""
    begun = 0
    while begun < len(commands):
        end = begun + _fitting(commands, begun, _LONGEST - len(f"{SEVERITY};{first};"))
        yield ";".join([first, *commands[begun:end]] if first else commands[begun:end])
        begun = end


def _fitting(commands: Sequence[str], begun: int, room: int) -> int:
    """How many of the commands from `begun` on fit into so many bytes; one at least."""
    end = begun
    while end < len(commands) and len(commands[end]) < room:
        room -= len(commands[end]) + 1
        end += 1
    # `drain` out of maintenance and `health down` stay together: in between, a server is UP unchecked.
    if end - begun > 1 and end < len(commands) and _target(commands[end - 1]) == _target(commands[end]):
        end -= 1
    return max(1, end - begun)


def _target(command: str) -> list[str]:
    """The command up to the server that it is for: `set server shop/web1`."""
    return command.split(" ")[:3]
