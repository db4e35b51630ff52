"""Rules for an haproxy.cfg behind which nodes are drained by their health page, not by HAProxy's socket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.haproxy_config.checks import until_down
from rollout.haproxy_config.configuration import Section, ServerLine
from rollout.haproxy_config.remark import Remark, note, warning

_CHECKS = (
    *("httpchk", "tcp-check", "external-check", "ssl-hello-chk", "smtpchk", "mysql-check", "pgsql-check"),
    *("redis-check", "ldap-check", "spop-check"),
)
_OWN = ("tcp-check", "external-check")
"""Checks that may ask for the page, by a site's own rules or program."""


def of_page(section: Section, checked: Sequence[ServerLine]) -> Iterator[Remark]:
    """Remarks on how HAProxy sees a node of the backend leave. `checked` are its servers with a check."""
    lines = [line for name in _CHECKS if (line := section.option(name))]
    kind = max(lines, key=section.lines.index).words[1] if lines else ""
    if kind in _OWN:
        return
    if kind != "httpchk":
        yield warning(
            section.head,
            "no `option httpchk`: HAProxy never asks for the health page, so it cannot see a node leave",
            "write `option httpchk GET /PATH`, with the page's path, here or in `defaults`",
        )
    elif not section.last("http-check", "disable-on-404"):
        seconds = [time for server in checked if (time := until_down(server)) is not None]
        if seconds:
            yield note(
                section.head,
                "no `http-check disable-on-404`: a node leaves only when it is DOWN, "
                f"up to {max(seconds):g} s after its page answers 404",
                "write `http-check disable-on-404`: one check is then enough, and running requests can end",
            )
