"""The state file, from which HAProxy's next process loads the states of servers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from rollout.haproxy_config.configuration import Section, read


def state_file(text: str) -> str | None:
    """The path of the state file of a configuration; `None` if no backend loads one. No text raises.

    Only `load-server-state-from-file global` counts: files of single backends (`local`) are not followed.
    """
    sections = read(text)
    loaded = any(loads(section) == "global" for section in sections if section.kind in ("backend", "listen"))
    path = global_file(sections)
    return path if loaded and is_known(path) else None


def loads(section: Section) -> str:
    """The state file that a backend loads: `global`, `local` or `none`."""
    line = section.last("load-server-state-from-file")
    return line.words[1] if line and len(line.words) > 1 else "none"


def global_file(sections: Iterable[Section]) -> str:
    """The path of the file for all backends, as it is written; empty if there is none, which HAProxy allows
    even where backends load it."""
    settings = [section for section in sections if section.kind == "global"]
    file = _value(settings, "server-state-file")
    return str(PurePosixPath(_value(settings, "server-state-base"), file)) if file else ""


def is_known(path: str) -> bool:
    """Whether it is a path from the root, without a variable of HAProxy's."""
    return path.startswith("/") and "$" not in path


def _value(settings: list[Section], keyword: str) -> str:
    lines = [line for section in settings if (line := section.last(keyword)) and len(line.words) > 1]
    return lines[-1].words[1] if lines else ""
