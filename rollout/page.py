"""The shell lines of draining by a health page that watches a file."""

from __future__ import annotations

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


def connections(port: int) -> str:
    """Print a line for each established connection to `port` of the node."""
    return f"ss -Htn state established '( sport = :{port} )'"
