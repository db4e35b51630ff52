"""The shell lines that drain a node whose health page watches a file, and list its connections."""

from __future__ import annotations

import ipaddress
import shlex


def create(file: str) -> str:
    """Create the file: the page answers 404."""
    path = shlex.quote(file)
    return f'mkdir -p "$(dirname {path})" && touch {path}'


def remove(file: str) -> str:
    """Remove the file: the page answers 200 again."""
    return f"rm -f {shlex.quote(file)}"


def exists(file: str) -> str:
    """Exit with 0 if the file is there, with 1 if it is not."""
    return f"test -e {shlex.quote(file)}"


def connections(port: int, host: str) -> str:
    """Print each established connection to `port` of the node, and in a second line what the kernel knows of
    it.

    If `host` is a loopback address, the machine's other addresses are other nodes and do not count. Any
    other address may be translated on its way, so the node itself may not know it.
    """
    own = f" and src {host}" if _is_loopback(host) else ""
    return f"ss -Htni state established '( sport = :{port}{own} )'"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
