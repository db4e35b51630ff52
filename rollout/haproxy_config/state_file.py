"""The state file, from which HAProxy's next process loads the states of servers."""

from __future__ import annotations

from pathlib import PurePosixPath

from rollout.haproxy_config.configuration import Section, read


def state_file(text: str) -> str | None:
    """The path of the state file of a configuration; `None` if no backend loads one. No text raises.

    Only `load-server-state-from-file global` counts: files of single backends (`local`) are not followed.
    """
    sections = read(text)
    loaded = [
        line
        for section in sections
        if section.kind in ("backend", "listen")
        and (line := section.last("load-server-state-from-file"))
        and line.words[1:2] == ("global",)
    ]
    settings = [section for section in sections if section.kind == "global"]
    path = PurePosixPath(_value(settings, "server-state-base"), _value(settings, "server-state-file"))
    return str(path) if loaded and path.is_absolute() and "$" not in str(path) else None


def _value(settings: list[Section], keyword: str) -> str:
    lines = [line for section in settings if (line := section.last(keyword)) and len(line.words) > 1]
    return lines[-1].words[1] if lines else ""
