"""Placeholders in URLs and file paths: `{host}`, `{node}` and `{release}`."""

from __future__ import annotations

import re
from collections.abc import Callable

Fill = Callable[[str], str]
"""Fills in the placeholders of a text for one node and its release."""

_PLACEHOLDER = re.compile(r"\{(host|node|release)\}")


def fill(text: str, *, host: str, node: str, release: str | None) -> str:
    """`text` with its placeholders filled; other braces stay. Without a release, `{release}` is empty."""
    values = {"host": f"[{host}]" if ":" in host else host, "node": node, "release": release or ""}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
