"""How long HAProxy's checks of a server take, in seconds; `None` where a variable decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rollout.haproxy_config.configuration import ServerLine

INTER = 2.0
"""Seconds between two checks, by default."""
FALL = 3
"""Failed checks until a server is DOWN, by default."""
RISE = 2
"""Passed checks until a server is UP again, by default."""


def first_check(server: ServerLine) -> float | None:
    """Until the first check of a server after maintenance, at most. `downinter` and `fastinter` do not hasten
    it, also where the server was DOWN before: in maintenance, HAProxy's clock goes on at `inter`."""
    return server.seconds("inter", INTER)


def first_check_of_process(server: ServerLine) -> float | None:
    """Until the first check of a server after HAProxy's start, at most: its first checks are spread over
    `fastinter`, or over `inter` where one failed check takes a server out."""
    inter, fall = server.seconds("inter", INTER), server.count("fall", FALL)
    if inter is None or fall is None:
        return None
    return inter if fall == 1 else server.seconds("fastinter", inter)


def until_down(server: ServerLine) -> float | None:
    """Until a node whose page fails is DOWN, at most: the first check, and then faster ones."""
    inter = server.seconds("inter", INTER)
    fall = server.count("fall", FALL)
    if inter is None or fall is None:
        return None
    fast = server.seconds("fastinter", inter)
    return None if fast is None else inter + (fall - 1) * fast


def until_up(server: ServerLine) -> float | None:
    """Until a server is UP, at most, once its page is right again: one that was DOWN is checked at
    `downinter`, then at `fastinter`, and one whose page answered 404 (`disable-on-404`) at `inter`."""
    inter = server.seconds("inter", INTER)
    rise = server.count("rise", RISE)
    if inter is None or rise is None:
        return None
    down, fast = server.seconds("downinter", inter), server.seconds("fastinter", inter)
    return None if down is None or fast is None else max(inter, down + (rise - 1) * fast)


def slowest(
    servers: Iterable[ServerLine], time: Callable[[ServerLine], float | None]
) -> tuple[float, ServerLine | None]:
    """The longest `time` of all servers, and whose it is; 0 and `None` if none is known."""
    known = ((seconds, server) for server in servers if (seconds := time(server)) is not None)
    return max(known, key=lambda each: each[0], default=(0.0, None))
