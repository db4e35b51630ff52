"""The configuration files of a running HAProxy, read on its machine: the socket does not show them."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.domain import Reading
from rollout.ports import Host
from rollout.remote import haproxy_files

_LOOK = 30.0
"""Seconds for reading all files."""


class Unreadable(Exception):
    """HAProxy's configuration cannot be read, with the reason."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The lines of all files of a configuration, in order."""

    places: tuple[str, ...]
    """`FILE:NUMBER` of each line; the file's path is absolute."""
    text: str
    changed: str
    """A file that was changed after HAProxy was started, so that other lines may hold; empty if none was."""


async def read_configuration(host: Host, reading: Reading) -> Configuration:
    """The configuration of the process that gave `reading`, as its files are now. `host` is its machine.

    Raises HostError, Unreadable.
    """
    printed: list[str] = []
    line = haproxy_files.contents(reading.pid, reading.started)
    await host.run(line, environment={}, timeout=_LOOK, output=printed.append)
    places: list[str] = []
    lines: list[str] = []
    changed: list[str] = []
    file, number = "", 0
    for kind, rest in ((text[:1], text[1:]) for text in printed):
        if kind == "?":
            raise Unreadable(rest)
        if kind == "=":
            time, _, file = rest.partition(" ")
            number = 0
            if time.isdecimal() and int(time) > reading.started:
                changed.append(file)
        elif kind == " ":
            number += 1
            places.append(f"{file}:{number}")
            lines.append(rest)
    if not lines:
        raise Unreadable("its files could not be found")
    return Configuration(tuple(places), "\n".join(lines), "".join(changed[:1]))
