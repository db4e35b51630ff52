"""The shell lines of draining by a health page that watches a file."""

from __future__ import annotations

import ipaddress
import shlex


def create(file: str) -> str:
    """Make the page answer 404."""
    path = shlex.quote(file)
    return f'mkdir -p "$(dirname {path})" && touch {path}'


def remove(file: str) -> str:
    """Make the page answer 200."""
    return f"rm -f {shlex.quote(file)}"


def exists(file: str) -> str:
    """Exit status 0 while the file is there."""
    return f"test -e {shlex.quote(file)}"


def connections(port: int, host: str) -> str:
    """Print a line for each established connection to `port` of the node.

    Where `host` is a loopback address, others of the same machine are other nodes, and do not count. Any
    other address may be translated on its way, so the node may not know it.
    """
    own = f" and src {host}" if _is_loopback(host) else ""
    return f"ss -Htn state established '( sport = :{port}{own} )'"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
