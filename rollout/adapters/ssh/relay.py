"""Shell lines about a UNIX socket on a host: one reaches it without sshd, the other says why that fails."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PYTHON = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
"""

_ANSWER = b"--- rollout: the socket answers\n"

_RELAY = f"""
echo '{_ANSWER.decode().strip()}'
if command -v socat >/dev/null; then exec socat -t 3600 - UNIX-CONNECT:"$2"
elif nc -h 2>&1 | grep -q -e -U; then nc -h 2>&1 | grep -q -e -N && exec nc -N -U "$1"; exec nc -U "$1"
elif command -v python3 >/dev/null; then exec python3 -c '{_PYTHON}' "$1"
fi
exit 127
"""

EXPLAIN = """
if ! [ -e "$ROLLOUT_SOCKET" ]; then
  ls -d "$(dirname "$ROLLOUT_SOCKET")"/. 2>&1 | grep -qi denied && echo hidden || echo missing
elif ! [ -S "$ROLLOUT_SOCKET" ]; then echo other
elif ! [ -w "$ROLLOUT_SOCKET" ]; then echo forbidden
elif ! command -v socat >/dev/null && ! nc -h 2>&1 | grep -q -e -U && ! command -v python3 >/dev/null
then echo closed; else echo silent
fi
ls -ld "$ROLLOUT_SOCKET" 2>&1
id
"""
"""A shell line that prints one word for what is wrong with a socket, then who may use it, then who asks."""


def relay(path: str) -> list[str]:
    """Arguments of a shell that sends its standard input to a socket, and prints the answer (see `answer`).

    socat has a syntax of its own for addresses, in which all but plain characters must be escaped.
    """
    return ["sh", "-c", _RELAY, "sh", path, re.sub(r"([^\w./-])", r"\\\1", path)]


def answer(printed: bytes) -> bytes | None:
    """The socket's answer in what `relay` printed, after whatever the login printed; `None` if the login did
    not run it."""
    _, begun, given = printed.partition(_ANSWER)
    return given if begun else None


def explained(path: str, printed: Sequence[str]) -> tuple[str, str | None]:
    """The message and the hint for what `EXPLAIN` printed."""
    word, listing, who = printed if len(printed) == 3 else ("", " ".join(printed), "")
    match word:
        case "missing":
            return f"{path} does not exist", "is HAProxy running there, with this `stats socket`?"
        case "other":
            return (
                f"{path} is not a socket ({listing})",
                "see the `stats socket` line in HAProxy's configuration",
            )
        case "forbidden" | "hidden":
            message = f"no permission for {path} ({listing}; logged in as {who})"
            return (
                message,
                "the `stats socket` line sets user, group and mode; a new group takes effect at the "
                "next login",
            )
        case "closed":
            message = f"sshd does not forward to {path}, and socat, nc and python3 are missing"
            return message, "set AllowStreamLocalForwarding yes in its sshd_config, or install socat"
        case "silent":
            return f"nothing listens on {path}, or its queue is full ({listing})", "is HAProxy running there?"
        case _:
            return f"{path} cannot be reached: {listing}", None
