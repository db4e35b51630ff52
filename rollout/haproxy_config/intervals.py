"""How often HAProxy checks each server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.haproxy_config.checks import FALL, INTER, RISE
from rollout.haproxy_config.configuration import PROXIES, ServerLine, read

_COUNT = re.compile(r"(?:([0-9]{1,5})-)?([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Checks:
    """The health checks of one server."""

    inter: float
    """Seconds from one to the next."""
    rise: int
    """How many must pass until a server that is DOWN is UP."""
    fall: int
    """How many must fail until a server that is UP is DOWN."""


def checks(text: str, version: str = "") -> Mapping[str, Checks]:
    """The checks of each server in a configuration, by `backend/server`; none where a variable decides.

    `version` is that of the HAProxy that runs with it. No text raises.
    """
    return {
        f"{section.name}/{name}": known
        for section in read(text, version)
        if section.kind in PROXIES
        for line in section.servers()
        if (known := _checks_of(line)) is not None
        for name in _names(line)
    }


def _checks_of(line: ServerLine) -> Checks | None:
    inter, rise, fall = line.seconds("inter", INTER), line.count("rise", RISE), line.count("fall", FALL)
    return None if inter is None or rise is None or fall is None else Checks(inter, rise, fall)


def _names(server: ServerLine) -> Iterator[str]:
    """The names of the servers that a line makes: a template makes several, numbered from 1 or a range."""
    words = server.line.words
    count = _COUNT.fullmatch(words[2]) if words[0] == "server-template" else None
    if count is None:
        yield server.name
        return
    for number in range(int(count[1] or 1), int(count[2]) + 1):
        yield f"{server.name}{number}"
