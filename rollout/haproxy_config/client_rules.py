"""Rules for an haproxy.cfg: what becomes of running and pinned clients when a node leaves and comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.haproxy_config.configuration import Line, Section, ServerLine
from rollout.haproxy_config.pinning import Pins, cut_of
from rollout.haproxy_config.remark import Remark, note, problem, warning


def of_clients(section: Section, *, health_page: bool, waits: bool) -> Iterator[Remark]:
    """Remarks on the clients of a backend. `health_page` and `waits` are as for `analyse`."""
    servers = list(section.servers())
    pins = Pins(section)
    pin = next(filter(None, map(pins.of, servers)), None)
    cutting = [server for server in servers if cut_of(server)]
    stays_on_404 = health_page and section.last("http-check", "disable-on-404") is not None
    yield from _persisting(pins.persist, pin)
    if pin and cutting and not health_page:
        yield _waited_for(pin)
    else:
        if pin:
            yield _pinned_on_404(pin) if stays_on_404 else _moved(pin, health_page=health_page, waits=waits)
        if cutting:
            yield _cut(cutting, by_page=health_page and not stays_on_404)
    yield from _cut_on_backups(servers)


def _persisting(line: Line | None, pin: Line | None) -> Iterator[Remark]:
    if line:
        remark, lost = (problem, ": its restart loses their requests") if pin else (warning, "")
        yield remark(
            line,
            f"`{' '.join(line.words)}` keeps pinned clients on a server that is down or in maintenance{lost}",
            "remove it; without it they move to another server",
        )


def _waited_for(pin: Line) -> Remark:
    return warning(
        pin,
        "clients are pinned to servers with `on-marked-down shutdown-sessions`: maintenance would cut "
        "running requests, so a drain waits until a node has none, and times out if its clients never pause; "
        "a request that comes at the last moment is cut",
        "remove `on-marked-down shutdown-sessions`, at least for HTTP: then maintenance moves clients right "
        "after the drain, and their running requests finish",
    )


def _pinned_on_404(pin: Line) -> Remark:
    return warning(
        pin,
        "clients are pinned to servers: one that is out by `disable-on-404` still gets their requests",
        "drain by HAProxy's runtime socket, or remove `http-check disable-on-404`: DOWN moves clients",
    )


def _moved(pin: Line, *, health_page: bool, waits: bool) -> Remark:
    message = "clients are pinned to servers: a drained server still gets their requests, new ones too"
    if waits and not health_page:
        return note(
            pin,
            f"{message}; with `drain.pinned: wait`, a drain times out if they never pause",
            "remove `drain.pinned: wait`: then maintenance moves them right after the drain",
        )
    what = "DOWN moves them" if health_page else "maintenance moves them right after the drain"
    return note(pin, message, f"nothing to do: {what}; what only the node remembers is lost")


def _cut(cutting: Sequence[ServerLine], *, by_page: bool) -> Remark:
    marked = "with `on-marked-down shutdown-sessions`"
    if by_page:
        return warning(
            cutting[0].line,
            f"{marked}: draining by the health page cuts running requests",
            "write `http-check disable-on-404`: it lets running requests finish",
            cutting,
        )
    return note(
        cutting[0].line,
        f"{marked}: maintenance and DOWN cut running requests",
        "nothing to do: a node is drained first; only requests that are left at `drain.timeout` are cut",
        cutting,
    )


def _cut_on_backups(servers: Sequence[ServerLine]) -> Iterator[Remark]:
    backups = [server for server in servers if "backup" in server.options]
    cutting = [
        server
        for server in servers
        if server.options.get("on-marked-up") == "shutdown-backup-sessions" and server not in backups
    ]
    if cutting and backups:
        yield warning(
            cutting[0].line,
            "with `on-marked-up shutdown-backup-sessions`: a node that comes back cuts the requests that run "
            "on backups",
            "remove it: then requests that run on a backup finish there",
            cutting,
        )
