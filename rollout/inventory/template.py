"""Placeholders in URLs, file paths and names: `{host}`, `{node}` and `{release}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches

Fill = Callable[[str], str]
"""Fills in the placeholders of a text for one node and its release."""

_PLACEHOLDER = re.compile(r"\{(host|node|release)\}")
_LIKE_ONE = re.compile(r"\{+ *([A-Za-z_][A-Za-z0-9_. -]*)\}+")
_IN_SHELL_LINES = re.compile(r"(?<![$%{])\{(host|node|release|ip|address|hostname)\}(?!\})")
_MEANT = {
    **dict.fromkeys(("host", "hostname", "address", "addr", "ip", "ipv4", "ipv6", "server"), "host"),
    **dict.fromkeys(("node", "name", "node_name", "instance"), "node"),
    **dict.fromkeys(("release", "version", "tag", "revision"), "release"),
}
"""What other tools call the values of the placeholders."""


def fill(text: str, *, host: str, node: str, release: str | None) -> str:
    """`text` with its placeholders filled; other braces stay. Without a release, `{release}` is empty."""
    values = {"host": f"[{host}]" if ":" in host else host, "node": node, "release": release or ""}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def known_placeholders(text: str) -> str:
    """`text` as it is. Raises ValueError if it has a placeholder that nothing would fill in.

    The error has no word of `text` in it, since that may come from a variable.
    """
    for match in _LIKE_ONE.finditer(text):
        if not _PLACEHOLDER.fullmatch(match[0]):
            near = get_close_matches(match[1].strip().lower(), _MEANT, n=1)
            suggestion = f"; did you mean {{{_MEANT[near[0]]}}}?" if near else ""
            raise ValueError(f"expected no placeholder but {{host}}, {{node}} and {{release}}{suggestion}")
    return text


def left_as_written(line: str) -> Iterator[tuple[str, str]]:
    """The placeholders in a shell line, in which nothing is filled in; each with the variable that the line
    finds in its environment instead."""
    for match in _IN_SHELL_LINES.finditer(line):
        yield match[0], f"ROLLOUT_{_MEANT[match[1]].upper()}"


def no_placeholders(text: str) -> str:
    """`text` as it is. Raises ValueError if it has a placeholder: it belongs to no single node."""
    if _LIKE_ONE.search(text):
        raise ValueError("expected no placeholder: nothing is filled in here, since it belongs to no node")
    return text
