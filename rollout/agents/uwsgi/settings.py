"""The settings of a running uWSGI: from its command line, the ini files that this names, and its environment.

uWSGI can only be asked for them in a way that prints them into its log.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

from rollout.agents.common import proc
from rollout.agents.common.proc import Process
from rollout.agents.common.talk import Failed
from rollout.agents.uwsgi.folder import started_in

Pairs = List[Tuple[str, str]]

_SHORT = {"w": "module", "H": "home", "s": "socket", "p": "workers", "d": "daemonize", "M": "master"}
_FILES = ("ini", "include", "inherit", "config")
_OFF = ("false", "no", "off", "0")
_ENDS_WORKERS = (
    *("cheaper", "evil-reload-on-as", "evil-reload-on-rss", "idle", "max-requests", "max-worker-lifetime"),
    *("reload-on-as", "reload-on-exception", "reload-on-rss"),
)
"""Settings by which workers end that have done their work, or are not needed."""
_DEEPEST = 5
"""How many levels of included files are read."""


class Settings(NamedTuple):
    """`pairs` are its options in their order; `folder` is where it was started, and `works_in` where it is
    now."""

    pairs: Pairs
    folder: str
    environment: Dict[str, str]
    works_in: str = ""

    def all(self, *keys: str) -> List[str]:
        return [value for key, value in self.pairs if key in keys]

    def on(self, key: str) -> bool:
        return any(value.lower() not in _OFF for value in self.all(key))

    def path(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.works_in or self.folder, name.strip()))

    @property
    def fifos(self) -> List[str]:
        return [self.path(name) for name in self.all("master-fifo")]

    @property
    def workers(self) -> int:
        """The number of workers that there always are; 0 if that number changes or cannot be seen."""
        numbers = self.all("workers", "processes")
        return int(numbers[-1]) if numbers and numbers[-1].isdigit() and not self.on("cheaper") else 0

    @property
    def may_end_workers(self) -> bool:
        """Whether uWSGI may end workers that are well, or nobody can see that."""
        return not self.fifos or any(self.on(key) for key in _ENDS_WORKERS)


def settings_of(master: Process) -> Settings:
    """The settings of a master. Raises Failed if one of the files cannot be read."""
    environment = _environment(master)
    given = list(_of_command_line(proc.command_line(master)[1:]))
    files = [value.partition(":")[0] for key, value in given if key in _FILES and _is_file(value)]
    folder = started_in(master, environment, files)
    from_environment = [
        (name[len("UWSGI_") :].lower().replace("_", "-"), value)
        for name, value in environment.items()
        if name.startswith("UWSGI_")
    ]
    pairs: Pairs = []
    for key, value in [*from_environment, *given]:
        pairs += _with_files(key, value, folder, pairs, 0)
    return Settings(pairs, folder, environment, proc.folder(master))


def _environment(master: Process) -> Dict[str, str]:
    try:
        return proc.environment(master)
    except OSError as error:
        raise Failed(f"the environment of process {master.pid} cannot be read: {error.strerror}") from None


def _of_command_line(words: List[str]) -> Iterator[Tuple[str, str]]:
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            yield "ini", word
            continue
        key, equals, value = word.lstrip("-").partition("=")
        key = key if word.startswith("--") else _SHORT.get(key, key)
        if not equals:
            takes = words and not words[0].startswith("-") and (key == "ini" or not _is_file(words[0]))
            value = words.pop(0) if takes else "true"
        yield key, value


def _is_file(word: str) -> bool:
    return word.partition(":")[0].endswith(".ini")


def _with_files(key: str, value: str, folder: str, above: Pairs, depth: int) -> Pairs:
    if key not in _FILES or not _is_file(value) or depth > _DEEPEST:
        return [(key, value)]
    name, _, section = value.partition(":")
    path = os.path.join(folder, name)
    try:
        text = Path(path).read_text(errors="replace")
    except OSError as error:
        raise Failed(f"uWSGI's settings {path} cannot be read: {error.strerror}") from None
    pairs: Pairs = []
    for inner, setting in _section(text, section or "uwsgi"):
        filled = _filled(setting, path, [*above, *pairs])
        pairs += _with_files(inner, filled, folder, [*above, *pairs], depth + 1)
    return pairs


def _section(text: str, wanted: str) -> Iterator[Tuple[str, str]]:
    """The settings in one section. Those under a condition count as if it were true."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line[1:-1]
        elif line and line[0] not in ";#" and section == wanted:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _filled(value: str, path: str, pairs: Pairs) -> str:
    """A value with the placeholders filled in that paths are made of; others stay."""
    own, name = os.path.abspath(path), os.path.basename(path)
    magic = {"p": own, "d": os.path.dirname(own) + "/", "s": name, "n": os.path.splitext(name)[0], "%": "%"}
    known = dict(pairs)
    named = (value.partition("=") for key, value in pairs if key in ("set", "set-ph", "set-placeholder"))
    known.update((key, text) for key, _, text in named)
    value = re.sub(r"%([pdsn%])", lambda match: magic[match[1]], value)
    return re.sub(r"%\(([^)]+)\)", lambda match: known.get(match[1], match[0]), value)
